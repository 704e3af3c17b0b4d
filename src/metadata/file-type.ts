/** What Song calls the type of a file and what a schema may ask of it, by the end of its name. */
interface FileKind {
  readonly suffix: string
  readonly type: string
  readonly dataType: string
}

// Longest first where one is the end of another.
const kinds: readonly FileKind[] = [
  { suffix: '.vcf.gz', type: 'VCF', dataType: 'Variant Calls' },
  { suffix: '.fastq.gz', type: 'FASTQ', dataType: 'Reads' },
  { suffix: '.fq.gz', type: 'FASTQ', dataType: 'Reads' },
  { suffix: '.fasta.gz', type: 'FASTA', dataType: 'Reference Sequence' },
  { suffix: '.fa.gz', type: 'FASTA', dataType: 'Reference Sequence' },
  { suffix: '.tar.gz', type: 'TGZ', dataType: 'Archive' },
  { suffix: '.tgz', type: 'TGZ', dataType: 'Archive' },
  { suffix: '.bam', type: 'BAM', dataType: 'Aligned Reads' },
  { suffix: '.bai', type: 'BAI', dataType: 'Aligned Reads Index' },
  { suffix: '.csi', type: 'CSI', dataType: 'Index' },
  { suffix: '.cram', type: 'CRAM', dataType: 'Aligned Reads' },
  { suffix: '.crai', type: 'CRAI', dataType: 'Aligned Reads Index' },
  { suffix: '.vcf', type: 'VCF', dataType: 'Variant Calls' },
  { suffix: '.bcf', type: 'BCF', dataType: 'Variant Calls' },
  { suffix: '.tbi', type: 'TBI', dataType: 'Variant Calls Index' },
  { suffix: '.idx', type: 'IDX', dataType: 'Variant Calls Index' },
  { suffix: '.fastq', type: 'FASTQ', dataType: 'Reads' },
  { suffix: '.fq', type: 'FASTQ', dataType: 'Reads' },
  { suffix: '.fasta', type: 'FASTA', dataType: 'Reference Sequence' },
  { suffix: '.fa', type: 'FASTA', dataType: 'Reference Sequence' },
  { suffix: '.fai', type: 'FAI', dataType: 'Reference Sequence Index' },
  { suffix: '.xml', type: 'XML', dataType: 'Document' },
  { suffix: '.txt', type: 'TXT', dataType: 'Document' },
  { suffix: '.tsv', type: 'TSV', dataType: 'Table' },
  { suffix: '.csv', type: 'CSV', dataType: 'Table' },
  { suffix: '.json', type: 'JSON', dataType: 'Document' },
]

function kindOf(fileName: string): FileKind | undefined {
  const name = fileName.toLowerCase()
  return kinds.find((kind) => name.endsWith(kind.suffix))
}

/**
 * The file type that Song expects for a name: BAM, BAI, CRAM, CRAI, VCF, TBI, IDX, FASTQ, … (its list of 5.2, then the
 * name's extension in upper case, then `DATA`).
 */
export function fileTypeOf(fileName: string): string {
  const extension = /\.([A-Za-z0-9]{1,10})$/.exec(fileName)?.[1]
  return kindOf(fileName)?.type ?? extension?.toUpperCase() ?? 'DATA'
}

/** A word for what is in the file, where a payload gives none. */
export function dataTypeOf(fileName: string): string {
  return kindOf(fileName)?.dataType ?? 'Data'
}

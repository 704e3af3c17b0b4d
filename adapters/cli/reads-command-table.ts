import type { CommandSpec } from './command-spec.ts'

/** A file of reads, here or stored, as the commands below take it. */
const readsInput = `FILE is a file here (its index beside it), or an object id (its index found in the catalogue: x.bam.bai, x.bai, x.bam.csi, x.csi, x.cram.crai).`

const scan = { kind: 'flag', scoreOnly: true, text: 'Go through the whole file instead of using an index' } as const

const referenceFile = { kind: 'file', placeholder: 'FASTA', text: 'Reference of a CRAM, with its .fai beside it' } as const

const oneFile = { name: 'FILE|OBJECT-ID', least: 1, most: 1 } as const

/** `view` and the operations of samtools, on files here and on stored objects. */
export const readsCommandTable = {
  view: {
    summary: 'Locally store/display some or all of a remote SAM/BAM file object',
    details: `The reads of some regions, or of the whole file when none are given; of an object, of a file here, or of all that a manifest lists. ${readsInput}

Regions are written as samtools takes them: chr1, chr1:1,000-2,000 (counted from 1, both ends in it), chr1:1000 (to the end), {HLA:A*01}:5-10, * (the reads without a place). Several are merged: each read comes once, in file order. A region of a reference that the file does not have is an error.

Without --output-dir, the reads go to standard output; BAM and CRAM may too. With it, into files: <name>.<region>__<region>.bam, <name>.<BED file>.bam, <name>.header.sam. A file has its name only once it is whole. CRAM is read with --reference-file, unless it does without. CRAM output is made of whole containers of a CRAM, which hold other reads too; --exact, --contained and a BAM input need samtools for it. --output-type merged makes one sorted file of all inputs (merged.<region>.bam), cross one for each region of each input.

With --json, stdout holds one JSON object a line: {"type":"progress","bytes","totalBytes"} at most once a second, {"type":"failed","input","code","message"} for an input that failed, and at last {"type":"summary","files":[{"input","path","bytes","exact","indexPath"}],"failed","seconds"}; with --count {"type":"count","input","region","reads"}.

Exit codes: 0 done (also when the reader of stdout goes away), 2 refused for what was asked, or a damaged file, 3 not allowed, 4 not found, 6 the object changed meanwhile, 7 server or network, 8 some of several inputs failed, 9 local disk, 130 and 143 interrupted.`,
    examples: [
      {
        says: 'Two regions of an object, as text',
        line: 'score view --object-id 5be58fbb-775b-5259-bbbd-555e07fbdf24 --query chr1:1,000-2,000 chrM',
      },
      {
        says: 'A region of a file here, as BAM for another program',
        line: 'score view sample.bam chr2:1-50000 --output-format bam | samtools flagstat -',
      },
      {
        says: 'The targets of a BED file out of all that a manifest lists, with indexes',
        line: 'score view --manifest manifest.tsv --bed-query targets.bed --output-format bam --output-index --output-dir slices',
      },
      {
        says: 'One sorted file of all inputs',
        line: 'score view --manifest manifest.tsv --query chr1 --output-type merged --output-format bam --output-dir slices',
      },
      { says: 'How many reads each region has', line: 'score view sample.bam chr1 chr2 --count' },
      {
        says: 'Names of the references and read groups',
        line: 'score view --object-id 5be58fbb-775b-5259-bbbd-555e07fbdf24 --header-only',
      },
    ],
    options: {
      objectId: { kind: 'object-id', placeholder: 'ID', text: 'Object to read' },
      inputFile: { kind: 'file', placeholder: 'FILE', text: 'File here to read, instead of an object' },
      inputFileIndex: { kind: 'file', placeholder: 'FILE', text: 'Index of --input-file, where it does not lie beside it' },
      referenceFile,
      query: { kind: 'regions', placeholder: 'REGION...', text: 'Regions, separated by blanks or commas' },
      bedQuery: { kind: 'file', placeholder: 'BED', text: 'Regions from a BED file; replaces --query' },
      manifest: { kind: 'text', placeholder: 'ID|URL|FILE', text: 'All SAM, BAM and CRAM objects that a manifest lists' },
      outputDir: { kind: 'new-directory', placeholder: 'DIR', text: 'Where the files go; standard output without it' },
      outputFormat: { kind: 'choice', choices: ['bam', 'sam', 'cram'], default: 'sam', text: 'Format of the output' },
      outputType: {
        kind: 'choice',
        choices: ['trimmed', 'merged', 'cross'],
        default: 'trimmed',
        text: 'A file for each input, one of all inputs, or one for each region of each input',
      },
      contained: { kind: 'flag', text: 'Only reads that lie wholly in a region; else all that overlap one' },
      headerOnly: { kind: 'flag', text: 'Only the header' },
      outputOriginalHeader: { kind: 'flag', text: 'The header as it is, without a line about who made the slice' },
      outputIndex: { kind: 'flag', text: 'Write the index of each output too' },
      stdout: { kind: 'flag', text: 'To standard output, whatever --output-dir says' },
      exact: {
        kind: 'flag',
        scoreOnly: true,
        text: 'CRAM output: nothing but the reads of the regions, written by an installed samtools; else whole containers of a CRAM',
      },
      scan,
      verify: { kind: 'flag', scoreOnly: true, text: 'Check all that is copied, not only the edges of regions' },
      count: { kind: 'flag', scoreOnly: true, text: 'Instead of the reads, how many each region has' },
      files: { kind: 'integer', default: 4, scoreOnly: true, placeholder: 'N', text: 'Inputs read at once' },
      verifyConnection: { kind: 'boolean', default: true, text: 'Check first that the object store can be reached' },
    },
    positionals: { name: 'FILE|OBJECT-ID REGION', least: 0, most: Number.POSITIVE_INFINITY, scoreOnly: true },
    original: true,
  },
  index: {
    summary: 'Make the index of a BAM or CRAM file',
    details: `Goes through the file, as 'samtools index' does, and writes a CRAI of a CRAM, and of a BAM a BAI, or a CSI where a reference is too long for BAI: beside a file here, and for an object into the working folder. ${readsInput} With --json, one object: {"type":"index","input","path","bytes"}.`,
    examples: [
      { says: 'sample.bam.bai', line: 'score index sample.bam' },
      { says: 'A CSI of an object', line: 'score index 5be58fbb-775b-5259-bbbd-555e07fbdf24 --index-format csi --output sample.bam.csi' },
    ],
    options: {
      indexFormat: { kind: 'choice', choices: ['auto', 'bai', 'csi'], default: 'auto', text: 'Format of the index' },
      minShift: { kind: 'integer', default: 14, placeholder: 'N', text: 'Of a CSI: the smallest window has 2^N bases' },
      output: { kind: 'text', placeholder: 'FILE', text: 'Where it goes' },
    },
    positionals: oneFile,
    original: false,
  },
  flagstat: {
    summary: 'Count the reads of a file by their flags',
    details: `Prints what 'samtools flagstat' prints. ${readsInput} With --json, one object: {"type":"flagstat","input","counts":{"total":{"passed","failed"},...}}.`,
    examples: [{ says: 'Of an object, without fetching it', line: 'score flagstat 5be58fbb-775b-5259-bbbd-555e07fbdf24' }],
    options: { referenceFile },
    positionals: oneFile,
    original: false,
  },
  idxstats: {
    summary: 'Count the reads on each reference, from the index alone',
    details: `Prints what 'samtools idxstats' prints: reference, length, mapped and unmapped reads. ${readsInput} With --json, one object a line: {"type":"reference","reference","length","mapped","unmapped"}.`,
    examples: [
      { says: 'Of an object', line: 'score idxstats 5be58fbb-775b-5259-bbbd-555e07fbdf24' },
      { says: 'Of a file without an index', line: 'score idxstats --scan sample.bam' },
    ],
    options: { scan },
    positionals: oneFile,
    original: false,
  },
  quickcheck: {
    summary: 'Check the begin and the end of BAM and CRAM files',
    details: `Reads the header and the EOF marker, and nothing between. One line a file: its name, a tab, and 'ok' or what is wrong. ${readsInput} With --json, one object a line: {"type":"quickcheck","input","format","size","references","problems":[...]}.

Exit codes: 0 all are good, 2 none is, 8 some are not; others as of 'score view'.`,
    examples: [{ says: 'After a transfer by other means', line: 'score quickcheck *.bam' }],
    options: {},
    positionals: { name: 'FILE|OBJECT-ID', least: 1, most: Number.POSITIVE_INFINITY },
    original: false,
  },
} as const satisfies Readonly<Record<string, CommandSpec>>

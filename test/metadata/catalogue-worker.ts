import { openCatalogue } from '../../src/metadata/catalogue/open-catalogue.ts'

/** Registers and publishes without end, as process `name`; each line on stdout acknowledges what must never be lost. */
const [folder = '', name = '', rounds = 'endless'] = process.argv.slice(2)
const catalogue = await openCatalogue({ folder, objectState: { describe: async () => ({ exists: true, size: 5, md5: currentMd5 }) } })
let currentMd5 = ''
const last = rounds === 'endless' ? Number.POSITIVE_INFINITY : Number(rounds)
await catalogue.ensureStudy('S')
for (let round = 0; round < last; round++) {
  currentMd5 =
    `${Buffer.from(name).toString('hex')}${process.pid.toString(16).padStart(8, '0')}${round.toString(16).padStart(8, '0')}`.padStart(
      32,
      '0',
    )
  const file = (fileName: string) => ({ fileName, fileSize: 5, fileMd5sum: currentMd5, fileType: 'BAM', fileAccess: 'open', dataType: 'x' })
  const files = ['a.bam', 'b.bam', 'c.bam'].map(file)
  const { analysisId } = await catalogue.submit('S', { studyId: 'S', analysisType: { name: 'fileSet' }, files, note: 'n'.repeat(2000) })
  process.stdout.write(`submitted ${analysisId}\n`)
  await catalogue.publish('S', analysisId)
  process.stdout.write(`published ${analysisId}\n`)
}
await catalogue.close()

import type { BamHeader } from '../formats/bam-header.ts'
import type { BgzfBlock, BlockFrame } from '../formats/bgzf-block.ts'
import { createSamTextWriter, type SamTextWriter } from '../formats/sam-text-writer.ts'
import { createRecordChoice } from './record-choice.ts'
import { createRecordCutter, type RecordBulk, type RecordCutter } from './record-cutter.ts'
import type { PlacedRegion, SliceSpan } from './slice-plan.ts'

/** What is to be made into text. Plain data: it is sent to threads. */
export interface TextTask {
  /** How messages name the file. */
  readonly name: string
  readonly header: Pick<BamHeader, 'references'>
  readonly regions: readonly PlacedRegion[] | 'all'
  readonly contained: boolean
}

/** The records of some spans becoming SAM text. Blocks are given in file order. */
export interface TextRun {
  addDeflated(bytes: Uint8Array, frame: BlockFrame, fileOffset: number): void
  addInflated(block: BgzfBlock): void
  /** Nothing more comes; the text of all is out. @throws `invalid-format` when a record was not finished. */
  finish(): void
}

/** Makes text of a task, one run after the other. */
export interface TextMaker {
  begin(spans: readonly SliceSpan[]): TextRun
}

/** Chooses as `RecordChoice` does, wherever records come in file order. */
function createTextBulk(text: SamTextWriter, { regions, contained }: TextTask): RecordBulk {
  let chosen: number | undefined
  let ready = false
  const choose = (referenceId: number | undefined): void => {
    if (ready && chosen === referenceId) return
    const wanted = regions === 'all' || referenceId === undefined || referenceId < 0 ? [] : regions
    text.choose(
      wanted.filter((region) => region.referenceId === referenceId),
      contained,
    )
    chosen = referenceId
    ready = true
  }
  return {
    take(from, to, { referenceId }, lastPosition) {
      // Of a scan each record is looked at: it may be of any reference.
      if (referenceId === undefined && regions !== 'all') return { at: from, lastPosition }
      choose(referenceId)
      return text.addChosen(from, to, { lastPosition, ...(referenceId !== undefined && { referenceId }) })
    },
  }
}

export function createTextMaker(task: TextTask, onText: (text: Buffer) => void): TextMaker {
  const { name, header, regions, contained } = task
  const text = createSamTextWriter({ header, onText })

  const runOf = (cutter: RecordCutter): TextRun => ({
    addDeflated(bytes, frame, fileOffset) {
      const offset = fileOffset + frame.start
      if (!cutter.needs(offset)) return
      const data = text.inflate(bytes, frame, fileOffset, name)
      cutter.add({ offset, size: frame.end - frame.start, data, deflated: bytes.subarray(frame.start, frame.end) })
    },
    addInflated(block) {
      if (cutter.needs(block.offset)) cutter.add({ ...block, data: text.load(block.data), deflated: block.data })
    },
    finish() {
      cutter.finish()
      text.flush()
    },
  })

  return {
    begin: (spans) =>
      runOf(
        createRecordCutter({
          spans,
          choice: createRecordChoice(regions, contained),
          cutAll: true,
          name,
          bulk: createTextBulk(text, task),
          onRecord: (view, from, to, block, within) =>
            text.add(view, from, to, () => `${name}: record at byte ${block}, inflated byte ${within} of its block`),
        }),
      ),
  }
}

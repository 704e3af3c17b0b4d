import { parentPort, workerData } from 'node:worker_threads'
import { ScoreError, toScoreError } from '../core/errors.ts'
import { blockError, frameBlock } from '../formats/bgzf-block.ts'
import { createTextMaker, type TextTask } from './text-maker.ts'
import type { TextOrder, TextReport } from './text-messages.ts'

/** Entry of a worker thread: makes SAM text of the blocks that it is sent. */
const port = parentPort
if (!port) throw new ScoreError('internal', 'this file is the entry of a worker thread; it is not meant to be imported')

const task = workerData as TextTask
const made: Uint8Array<ArrayBuffer>[] = []
const maker = createTextMaker(task, (text) => void made.push(text as Uint8Array<ArrayBuffer>))

function textOf({ spans, last, bytes, offset }: TextOrder): Uint8Array<ArrayBuffer>[] {
  const run = maker.begin(spans)
  for (let at = 0; offset + at <= last; ) {
    const frame = frameBlock(bytes, at, offset, task.name)
    if (!frame) throw blockError(task.name, offset + at, 'the file ends inside it; it has been cut off or the index is of another file')
    run.addDeflated(bytes, frame, offset)
    at = frame.end
  }
  run.finish()
  return made.splice(0)
}

port.on('message', (order: TextOrder) => {
  let report: TextReport
  try {
    report = { id: order.id, texts: textOf(order) }
  } catch (thrown) {
    const { code, message } = toScoreError(thrown)
    report = { id: order.id, failure: { code, message } }
  }
  port.postMessage(report, 'texts' in report ? report.texts.map(({ buffer }) => buffer) : [])
})

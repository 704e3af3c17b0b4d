/** What a test says whose suite could not begin. */
export const hookFailed = 'not run: a before hook failed'

const longest = 200
const colours = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g')

function cut(line: string): string {
  return line.length > longest ? `${line.slice(0, longest)} …` : line
}

/** The first half and the last half of the limit: a beginning names the thing, an end says how it went. */
function shortened(lines: readonly string[], limit: number): string[] {
  if (lines.length <= limit) return lines.map(cut)
  const head = Math.ceil(limit / 2)
  const tail = limit - head
  return [...lines.slice(0, head), `… ${lines.length - limit} more lines`, ...lines.slice(lines.length - tail)].map(cut)
}

export function withoutColours(text: string): string {
  return text.replace(colours, '')
}

/** The lines of uvu's comparison that differ, as they were before it made their spaces visible. */
function changedLines(error: Error): string[] {
  const { details } = error as { details?: unknown }
  if (typeof details !== 'string') return []
  const lines = withoutColours(details).replaceAll('·', ' ').split('\n')
  return lines.map((line) => line.trimEnd()).filter((line) => /^(L\d+ +)?(\+\+|--)/.test(line))
}

function isOthersFrame(line: string): boolean {
  return /^\s+at /.test(line) && /node_modules|node:|test\/support\/suite\.ts/.test(line)
}

function framesOf(error: Error): string[] {
  const stack = error.stack ?? ''
  const frames = stack.slice(stack.indexOf(error.message) + error.message.length).split('\n')
  return frames.filter((line) => /^\s+at /.test(line) && !isOthersFrame(line)).map((line) => line.trim())
}

function causesOf(error: Error): string[] {
  const lines: string[] = []
  for (let cause = error.cause; cause instanceof Error && lines.length < 5; cause = cause.cause) lines.push(`cause: ${cause.message}`)
  return lines
}

/** What to know of a failed test beside the first line of its message: at most some thirty lines, none longer than a page is wide. */
export function failureDetail(error: Error): string[] {
  return [
    ...shortened(error.message.split('\n').slice(1), 10),
    ...shortened(changedLines(error), 12),
    ...shortened(
      causesOf(error).flatMap((line) => line.split('\n')),
      4,
    ),
    ...shortened(framesOf(error), 4),
  ]
}

/** The end of what a file printed, for failures of which no test can tell. */
export function lastWords(output: string): string[] {
  const lines = withoutColours(output).split('\n')
  return lines
    .filter((line) => line.trim() !== '' && !isOthersFrame(line))
    .slice(-15)
    .map(cut)
}

/** A line of a SAM header: its kind (`@RG`) and its fields, `TAG:VALUE` each. */
export interface HeaderLine {
  readonly kind: string
  readonly fields: readonly string[]
}

export function parseHeaderLine(line: string): HeaderLine {
  const [kind = '', ...fields] = line.split('\t')
  return { kind, fields }
}

export function formatHeaderLine({ kind, fields }: HeaderLine): string {
  return [kind, ...fields].join('\t')
}

/** The value of the first field with this tag. */
export function headerField({ fields }: HeaderLine, tag: string): string | undefined {
  return fields.find((field) => field.startsWith(`${tag}:`))?.slice(tag.length + 1)
}

/** The line with another value in a field that it has. */
export function withHeaderField(line: HeaderLine, tag: string, value: string): HeaderLine {
  return { ...line, fields: line.fields.map((field) => (field.startsWith(`${tag}:`) ? `${tag}:${value}` : field)) }
}

/** `wanted`, or where that is taken, with the first number behind it that is not. */
export function freeHeaderId(wanted: string, isTaken: (id: string) => boolean): string {
  if (!isTaken(wanted)) return wanted
  let number = 1
  while (isTaken(`${wanted}.${number}`)) number += 1
  return `${wanted}.${number}`
}

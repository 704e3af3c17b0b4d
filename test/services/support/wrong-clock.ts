/** Loaded before anything else (`node --import`): this process believes that it is later, or earlier, by `WRONG_CLOCK_MS`. */
const offset = Number(process.env['WRONG_CLOCK_MS'])
const RightDate = Date

class WrongDate extends RightDate {
  constructor(...given: readonly unknown[]) {
    if (given.length === 0) super(RightDate.now() + offset)
    else super(...(given as [number]))
  }

  static override now(): number {
    return RightDate.now() + offset
  }
}

globalThis.Date = WrongDate as DateConstructor

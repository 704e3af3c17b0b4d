import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** Both halves. A mount holds little for longer than one read, and of that less than this. */
const enoughBytes = 8 * 1024 * 1024
const lookMs = 100

/**
 * For a process that does nothing but mount: keeps V8's young generation at about 8 MiB. In a long life it grows to its limit, 32
 * MiB with Node 20 and more with later ones, which a mount has no use for and its bound on memory would not cover.
 */
export function boundYoungGeneration(): void {
  const timer = setInterval(() => {
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
    if (young === undefined || young.space_size < enoughBytes) return
    setFlagsFromString('--semi-space-growth-factor=1')
    clearInterval(timer)
  }, lookMs)
  timer.unref()
}

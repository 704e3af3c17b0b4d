import { ScoreError } from '../../src/index.ts'
import type { Agreement } from './kernel-answers.ts'
import type { KernelQuestion } from './kernel-requests.ts'

type Offer = Extract<KernelQuestion, { readonly kind: 'init' }>

const major = 7
/** What our answers are laid out for; a newer kernel speaks as this one. */
const newestMinor = 38
/** Linux 3.15: the first that takes answers of this layout. */
const oldestMinor = 23

/**
 * Of what the kernel offers, what is taken: reads at once; 1 MiB a read; attributes with listings. Not reads at once past its
 * cache (FUSE_ASYNC_DIO): a program that waits for one hears no signal, not even SIGKILL.
 */
const wanted = {
  asyncRead: 1 << 0,
  listWithAttributes: 1 << 13,
  listWithAttributesWhenUseful: 1 << 14,
  parallelFolders: 1 << 18,
  maximumPages: 1 << 22,
}
const wantedFlags = Object.values(wanted).reduce((all, flag) => all | flag, 0)

/**
 * What is answered to the kernel's first request; a kernel of a later major version is told ours, and asks again.
 *
 * @throws `invalid-configuration` for a kernel that is too old.
 */
export function agreeWith(offer: Offer): Agreement {
  if (offer.major < major || (offer.major === major && offer.minor < oldestMinor))
    throw new ScoreError(
      'invalid-configuration',
      `this Linux speaks FUSE ${offer.major}.${offer.minor}, and the driver kernel needs ${major}.${oldestMinor} (Linux 3.15) or newer; use the driver fuse-native`,
    )
  return {
    minor: offer.major > major ? newestMinor : Math.min(offer.minor, newestMinor),
    readAheadBytes: offer.readAheadBytes,
    flags: offer.flags & wantedFlags,
    // The kernel's 12 lets a dozen reads that wait stop every other one. One that waits costs no thread here.
    maximumBackground: 256,
    // The least there is: nothing is written.
    maximumWriteBytes: 4096,
    maximumPages: 256,
  }
}

/** Whether an offer was the last one. */
export function isSettled(offer: Offer): boolean {
  return offer.major === major
}

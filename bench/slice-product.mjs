import { open } from 'node:fs/promises'

/** One slice as a program of its own, from the built package, for the rows of `bench/slice.ts` that measure whole processes. Prints its peak memory in MiB. */
const { package: entry, path, regions, out, options } = JSON.parse(process.argv[2])
const { createBamSlicer, createFileSource } = await import(entry)
const [data, index] = [createFileSource(path), createFileSource(`${path}.bai`)]
const file = await open(out, 'w')
for await (const piece of createBamSlicer({ data, index }).slice(regions, options)) await file.write(piece)
await Promise.all([file.close(), data.close(), index.close()])
console.log((process.resourceUsage().maxRSS / 1024).toFixed(0))

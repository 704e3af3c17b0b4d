import { createS3Backend } from '../src/s3.ts'

/** URLs of a 10,000-part upload and of its download, per second of one core's time; exits with 1 below the floor. */
const floor = 50_000
const parts = 10_000
const partBytes = 20 * 1024 ** 2

const backend = createS3Backend({
  endpoint: 'https://s3.example.org:9000',
  credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
})
const multipart = {
  bucket: 'score.data',
  key: 'data/56f3cb04-38b4-574c-bffb-af1426113194',
  uploadId: 'dXBsb2FkLWlkLXRoYXQtaXMtYXMtbG9uZy1hcy10aGV5LWFyZQ',
}

const shapes = {
  'PUT of a part': (number: number) => backend.presign({ action: 'put-part', multipart, partNumber: number, expiresInSeconds: 6 * 86_400 }),
  'GET of a range': (number: number) =>
    backend.presign({
      action: 'get',
      address: multipart,
      range: { start: (number - 1) * partBytes, end: number * partBytes },
      expiresInSeconds: 86_400,
    }),
}

for (const [shape, sign] of Object.entries(shapes)) {
  const rates: number[] = []
  for (let round = 0; round < 6; round++) {
    const before = process.cpuUsage()
    for (let number = 1; number <= parts; number++) await sign(number)
    const { user, system } = process.cpuUsage(before)
    rates.push(Math.round((parts / (user + system)) * 1e6))
  }
  const [cold, ...warm] = rates
  const slowest = Math.min(...warm)
  console.log(`${shape}: ${slowest} to ${Math.max(...warm)} URLs per second of a core (first 10,000: ${cold})`)
  if (slowest < floor) process.exitCode = 1
}

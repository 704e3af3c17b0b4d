import { execFile } from 'node:child_process'

export interface ProgramOutcome {
  /** Absent when the program is not there, or was ended because it took too long. */
  readonly code?: number
  readonly missing: boolean
  readonly stderr: string
}

/** Runs a program without a shell: no name of a folder is ever read as a command. */
export function runProgram(file: string, args: readonly string[], limitMs: number): Promise<ProgramOutcome> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: limitMs, killSignal: 'SIGKILL' }, (error, _, stderr) => {
      if (error === null) resolve({ code: 0, missing: false, stderr })
      else if (typeof error.code === 'number') resolve({ code: error.code, missing: false, stderr })
      else resolve({ missing: error.code === 'ENOENT', stderr })
    })
  })
}

import type { AnyRun } from './command-class.ts'
import type { Run } from './command-run.ts'
import type { CommandName } from './command-table.ts'

const modules: { readonly [Name in CommandName]: () => Promise<{ readonly run: Run<Name> }> } = {
  upload: () => import('./commands/upload.ts'),
  download: () => import('./commands/download.ts'),
  mount: () => import('./commands/mount.ts'),
  unmount: () => import('./commands/unmount.ts'),
  view: () => import('./commands/view.ts'),
  index: () => import('./commands/index.ts'),
  flagstat: () => import('./commands/flagstat.ts'),
  idxstats: () => import('./commands/idxstats.ts'),
  quickcheck: () => import('./commands/quickcheck.ts'),
  url: () => import('./commands/url.ts'),
  manifest: () => import('./commands/manifest.ts'),
  info: () => import('./commands/info.ts'),
  version: () => import('./commands/version.ts'),
  help: () => import('./commands/help.ts'),
  serve: () => import('./commands/serve.ts'),
  login: () => import('./commands/login.ts'),
  logout: () => import('./commands/logout.ts'),
  register: () => import('./commands/register.ts'),
  publish: () => import('./commands/publish.ts'),
  unpublish: () => import('./commands/unpublish.ts'),
  suppress: () => import('./commands/suppress.ts'),
  ls: () => import('./commands/ls.ts'),
  status: () => import('./commands/status.ts'),
  cancel: () => import('./commands/cancel.ts'),
}

/** Loads what a command runs. The table of options and the module agree by type; clipanion's values do not carry it. */
export async function loadRun(name: CommandName): Promise<AnyRun> {
  const { run } = await modules[name]()
  return run as AnyRun
}

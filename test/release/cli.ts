// `npm run release -- --dry-run [--out FOLDER] [--registry ghcr.io/OWNER] [--repository URL]`: everything that a release publishes, and no push.
// .github/workflows/release.yml pushes what this writes.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { contextOf } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { tryRun } from '../cluster/run.ts'
import { checkRepository } from './packages.ts'
import { checkFolder, makeRelease, ROOT } from './release.ts'

const HELP = `npm run release -- --dry-run [--out FOLDER] [--registry HOST/PATH] [--repository URL]

  --dry-run          required: this command never pushes; .github/workflows/release.yml does, with what this writes
  --out FOLDER       default: dist/release
  --registry NAME    the registry that the chart names, with the image's digest; default: none
  --repository URL   the repository that the npm packages name, such as https://github.com/OWNER/NAME; default: none
`

const { values } = parseArgs({
	options: {
		'dry-run': { type: 'boolean', default: false },
		out: { type: 'string', default: join(ROOT, 'dist/release') },
		registry: { type: 'string', default: '' },
		repository: { type: 'string', default: '' },
		help: { type: 'boolean', default: false },
	},
})
if (values.help || !values['dry-run']) {
	process.stdout.write(HELP)
	process.exit(values.help ? 0 : 2)
}

const git = async (...args: string[]) => (await tryRun('git', ['-C', ROOT, ...args]))?.trim()
// The time of the commit: a second run, and somebody else's, gets the same bytes. Without git the Unix epoch.
const seconds = Number(process.env['SOURCE_DATE_EPOCH'] ?? (await git('log', '-1', '--format=%ct')) ?? 0)
const folder = checkFolder(values.out)
const { files, images, version } = await makeRelease({
	context: contextOf(createProgress()),
	folder,
	registry: values.registry,
	repository: checkRepository(values.repository),
	created: new Date(seconds * 1000).toISOString(),
	revision: (await git('rev-parse', 'HEAD')) ?? '',
})
process.stdout.write(`release ${version} in ${folder}\n`)
for (const [name, digest] of files) process.stdout.write(`  ${digest}  ${name}\n`)
for (const { name, digest, platforms } of images) {
	const sizes = platforms.map(({ architecture, bytes }) => `${architecture} ${(bytes / 1e6).toFixed(0)} MB`)
	process.stdout.write(`  ${name}@${digest}  (${sizes.join(', ')})\n`)
}

// The npm packages of a release: what `npm pack` makes, with the repository that publishes them.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { run } from '../cluster/run.ts'
import { tarEntries } from '../images/tar.ts'
import { gzip, writeTar } from './tar.ts'

const MANIFEST = 'package/package.json'

/** @throws Error for what is no address of a repository on the web */
export function checkRepository(url: string): string {
	if (url !== '' && !/^https:\/\/[\w.-]+(\/[\w.-]+){2,}$/.test(url))
		throw new Error(`${url} is no repository: --repository takes an address such as https://github.com/OWNER/NAME`)
	return url.replace(/\.git$/, '')
}

/** Packs a workspace into the folder. @param repository address on the web; empty: the package names none */
export async function packPackage(root: string, workspace: string, folder: string, repository: string): Promise<void> {
	const args = ['pack', '--silent', '--workspace', workspace, '--pack-destination', folder]
	const printed = await run('npm', args, { cwd: root })
	if (repository === '') return
	const file = join(folder, printed.trim().split('\n').at(-1) ?? '')
	writeFileSync(file, withRepository(readFileSync(file), repository, workspace))
}

/**
 * The tarball with `repository`, `homepage` and `bugs` in its manifest. Sources cannot say it, because each fork publishes from its own; npm
 * takes no provenance of a package that does not name the repository whose workflow publishes it.
 */
function withRepository(tarball: Buffer, url: string, directory: string): Buffer {
	const entries = [...tarEntries(gunzipSync(tarball))].filter(({ kind }) => kind === 'file')
	return gzip(
		writeTar(
			entries.map(({ path, content, mode }) => {
				if (path !== MANIFEST) return { path, content, mode }
				const manifest = JSON.parse(content.toString('utf8')) as object
				const own = {
					homepage: `${url}/tree/HEAD/${directory}#readme`,
					...manifest,
					repository: { type: 'git', url: `git+${url}.git`, directory },
					bugs: { url: `${url}/issues` },
				}
				return { path, content: Buffer.from(`${JSON.stringify(own, null, '\t')}\n`), mode }
			}),
		),
	)
}

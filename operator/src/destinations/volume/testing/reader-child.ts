// Reads a volume until its input ends: `reader-child.ts DIRECTORY store|files`. Prints what is wrong, and at the end how often it read.
import { readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { initLogger } from '@purista/core'
import { AzureMountedSecretStore } from 'purista-azure-mounted-secret-store'
import { MANIFEST_FILE, parseManifest } from 'purista-azure-mounted-secret-store/manifest'
import { nameOf, tornIn } from './revisions.ts'

const [directory = '', how] = process.argv.slice(2)
let isEnded = false
process.stdin.on('end', () => {
	isEnded = true
})
process.stdin.resume()
let reads = 0
let last = 0
const judge = (revision: number, read: (name: string) => string | undefined) => {
	reads++
	const torn = tornIn(revision, read)
	if (torn !== undefined) process.stdout.write(`torn: ${torn}\n`)
	if (revision < last) process.stdout.write(`back: from ${last} to ${revision}\n`)
	last = revision
}

/** As every reader of a mount: the link, the files of that generation, the link again. */
async function readFiles(): Promise<void> {
	const link = await readlink(join(directory, '..data'))
	const texts = new Map<string, string>()
	try {
		for (const name of [MANIFEST_FILE, ...[1, 2, 3, 5, 7].map(nameOf)])
			texts.set(name, await readFile(join(directory, link, name), 'utf8'))
	} catch {
		// Swapped and removed meanwhile: then the link leads elsewhere, and what is there must be whole.
	}
	if ((await readlink(join(directory, '..data'))) !== link) return
	const parsed = parseManifest(texts.get(MANIFEST_FILE) ?? '')
	if (parsed.kind === 'ok') judge(parsed.manifest.revision, (name) => texts.get(name))
	else process.stdout.write('torn: no manifest\n')
}

if (how === 'store') {
	const store = new AzureMountedSecretStore({ mountPath: directory, logger: initLogger('fatal') })
	await store.ready()
	while (!isEnded) {
		const secrets = await store.getSecret(...[1, 2, 3, 5, 7].map(nameOf))
		// The file that changes each time says which revision it is.
		const revision = Number(secrets[nameOf(1)]?.split(';')[0]?.split(':')[1])
		judge(revision, (name) => secrets[name])
		await new Promise((done) => setImmediate(done))
	}
	await store.destroy()
} else while (!isEnded) await readFiles()
process.stdout.write(`reads ${reads}\n`)

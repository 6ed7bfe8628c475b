// Runs in every pod of the bench `pods`, from a ConfigMap: prints when a generation of the mounted Secret was swapped in, and the
// version of the secret in it. Plain JavaScript on node alone, so that fifty fit on one machine: `watcher.mjs DIRECTORY NAME`.
import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

const [directory = '', name = ''] = process.argv.slice(2)
const link = join(directory, '..data')
let seen

function look() {
	try {
		const generation = readlinkSync(link)
		if (generation === seen) return
		const { version } = JSON.parse(readFileSync(join(directory, generation, '.binding.json'), 'utf8')).secrets[name]
		// The change time of the link is that of the rename, however late this looks.
		console.log(JSON.stringify({ swappedAt: lstatSync(link).ctimeMs, version }))
		seen = generation
	} catch {
		// Swapped between two of the reads: the next look finds the new one.
	}
}

look()
setInterval(look, 100)

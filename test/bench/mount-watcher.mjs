// Runs in every pod of the bench `mount`, from a ConfigMap: prints when it started with its files there, when the files had come, and each
// later generation with the version of the secret in it: `mount-watcher.mjs DIRECTORY NAME COUNT`; without a NAME only its start.
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

const [directory = '', name, count] = process.argv.slice(2)
const link = join(directory, '..data')
const print = (seen) => console.log(JSON.stringify(seen))
let seen

function look() {
	try {
		const generation = readlinkSync(link)
		if (generation === seen) return
		const { version } = JSON.parse(readFileSync(join(directory, generation, '.binding.json'), 'utf8')).secrets[name]
		// The change time of the link is that of the rename, however late this looks.
		print({ swappedAt: lstatSync(link).ctimeMs, version })
		seen = generation
	} catch {
		// Swapped between two of the reads: the next look finds the new one.
	}
}

const files = readdirSync(directory).filter((each) => !each.startsWith('.')).length
print({
	startedAt: performance.timeOrigin,
	complete: name === undefined || files === Number(count),
	...(name === undefined ? {} : { filesAt: lstatSync(link).ctimeMs }),
})
if (name !== undefined) {
	look()
	setInterval(look, 100)
} else setInterval(() => {}, 1e6)

// Bundles one entry point with everything it imports into one ES module, with a source map: `node bundle.ts ENTRY OUT`.
// Runs in the build stage of the Dockerfile; works on a checkout as well.
import { chmod, readFile, stat } from 'node:fs/promises'
import { build, type Plugin } from 'esbuild'

/**
 * CommonJS packages in an ES module still call `require` and read `__dirname`; esbuild leaves both to us. The names are
 * prefixed because the bundle may import the same functions itself.
 */
const COMMONJS = `
import { createRequire as asbCreateRequire } from 'node:module'
import { dirname as asbDirname } from 'node:path'
const require = asbCreateRequire(import.meta.url)
const __filename = import.meta.filename
const __dirname = asbDirname(__filename)
`.trim()

/**
 * Leaves the lines of libraries out of the map: they are nine tenths of it, node holds all of a map in memory (50 MB for the
 * operator), and a stack trace is read for ours. A file with a map of its own is mapped by that: here its first token only.
 */
const ourSourcesOnly: Plugin = {
	name: 'our-sources-only',
	setup({ onLoad }) {
		const firstToken = Buffer.from(JSON.stringify({ version: 3, sources: [''], mappings: 'AAAA' })).toString('base64')
		onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, async ({ path }) => {
			const code = await readFile(path, 'utf8')
			const contents = `${code}\n//# sourceMappingURL=data:application/json;base64,${firstToken}`
			return { contents, loader: 'default' }
		})
	},
}

export async function bundle(entry: string, outfile: string): Promise<void> {
	await build({
		entryPoints: [entry],
		outfile,
		bundle: true,
		plugins: [ourSourcesOnly],
		platform: 'node',
		// The oldest Node that package.json allows.
		target: 'node24.15',
		format: 'esm',
		conditions: ['asb-source'],
		mainFields: ['module', 'main'],
		banner: { js: COMMONJS },
		// Not mangled: stack traces name our functions. `keepNames` would also keep what code reads as a function's name where two
		// are called the same, by a property of each closure that is ever made: 250 bytes, 10 MB of the operator's heap.
		minifySyntax: true,
		minifyWhitespace: true,
		sourcemap: 'linked',
		// Stack traces need positions only; with the sources the map would be larger than the bundle.
		sourcesContent: false,
		legalComments: 'none',
		logLevel: 'warning',
	})
	// esbuild makes the bundle of a command line executable; in the image only node is.
	await chmod(outfile, 0o644)
}

if (import.meta.main) {
	const [entry, outfile] = process.argv.slice(2)
	if (!entry || !outfile) throw new Error('usage: bundle.ts ENTRY OUTFILE')
	await bundle(entry, outfile)
	const { size } = await stat(outfile)
	process.stdout.write(`${outfile}: ${(size / 1e6).toFixed(1)} MB\n`)
}

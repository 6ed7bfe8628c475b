// Bundles one entry point with everything it imports into one ES module, with a source map: `node bundle.ts ENTRY OUT`.
// Runs in the build stage of the Dockerfile; works on a checkout as well.
import { chmod, stat } from 'node:fs/promises'
import { build } from 'esbuild'

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

export async function bundle(entry: string, outfile: string): Promise<void> {
	await build({
		entryPoints: [entry],
		outfile,
		bundle: true,
		platform: 'node',
		// The oldest Node that package.json allows.
		target: 'node24.15',
		format: 'esm',
		conditions: ['asb-source'],
		mainFields: ['module', 'main'],
		banner: { js: COMMONJS },
		// Not mangled: names in stack traces, and code that asks a function for its name, stay right.
		minifySyntax: true,
		minifyWhitespace: true,
		keepNames: true,
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

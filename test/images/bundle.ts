// Bundles one entry point with everything it imports into one ES module, with a source map: `node bundle.ts ENTRY OUT`. What it imports
// later, by `import()`, lies in files beside it.
// Runs in the build stage of the Dockerfile; works on a checkout as well. The file of a worker thread becomes a bundle of its
// own beside it.
import { chmod, readFile, stat } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
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
			const contents = `${withoutFetch(path, code)}\n//# sourceMappingURL=data:application/json;base64,${firstToken}`
			return { contents, loader: 'default' }
		})
	},
}

/**
 * The client library of Azure asks for each request whether its body is a `FormData`. Node loads all of its `fetch` for that name, a second
 * client for HTTP (8 MB resident). Nothing of ours sends one.
 */
function withoutFetch(path: string, code: string): string {
	if (!/[\\/]@typespec[\\/]ts-http-runtime[\\/]/.test(path)) return code
	return code.replaceAll('typeof FormData !== "undefined"', 'false')
}

/**
 * Takes node's own modules without importing them: `import` reads every export of theirs, and what is behind some is loaded only when it
 * is read (node:http has a WebSocket, and with it a second client for HTTP; node:crypto the whole of Web Crypto: 5 MB).
 */
const builtinsByName: Plugin = {
	name: 'builtins-by-name',
	setup({ onResolve, onLoad }) {
		const names = builtinModules.filter((name) => !name.startsWith('_'))
		onResolve({ filter: /^[a-z0-9_:/]+$/ }, ({ path, kind }) => {
			const name = path.replace(/^node:/, '')
			if (kind !== 'import-statement' || !names.includes(name)) return undefined
			return { path: name, namespace: 'builtin', sideEffects: false }
		})
		onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
			contents: `module.exports = process.getBuiltinModule('node:${path}')`,
			loader: 'js',
		}))
	},
}

/**
 * Finds `new URL('./NAME.worker.ts', import.meta.url)` in our sources and makes it name the bundle that will lie beside this
 * one: NAME.worker.mjs.
 *
 * @param found files of worker threads
 */
const workersBeside = (found: Set<string>): Plugin => ({
	name: 'workers-beside',
	setup({ onLoad }) {
		onLoad({ filter: /\.ts$/ }, async ({ path }) => {
			const code = await readFile(path, 'utf8')
			const contents = code.replaceAll(WORKER, (_, name: string) => {
				found.add(join(dirname(path), `${name}.ts`))
				return `new URL('./${name}.mjs', import.meta.url)`
			})
			return { contents, loader: 'ts' }
		})
	},
})
const WORKER = /new URL\('\.\/([\w-]+\.worker)\.ts', import\.meta\.url\)/g

export interface BundleOptions {
	/** false: one file, also of what is imported later */
	readonly split?: boolean
	/** gets the path of each file of which something is in the bundle, from the working directory */
	readonly inputs?: Set<string> | undefined
}

/** @returns the files that were written, without their maps */
export async function bundle(entry: string, outfile: string, options: BundleOptions = {}): Promise<string[]> {
	const { split = true, inputs } = options
	const workers = new Set<string>()
	const folder = dirname(outfile)
	const { metafile } = await build({
		entryPoints: [{ in: entry, out: basename(outfile, '.mjs') }],
		outdir: folder,
		outExtension: { '.js': '.mjs' },
		bundle: true,
		// What is imported when it is needed becomes a file of its own, which nobody reads before.
		splitting: split,
		chunkNames: '[name]-[hash]',
		metafile: true,
		plugins: [ourSourcesOnly, workersBeside(workers), builtinsByName],
		platform: 'node',
		// The oldest Node that package.json allows.
		target: 'node24.15',
		format: 'esm',
		// One character beyond Latin-1 and V8 keeps all of it as text of two bytes.
		charset: 'ascii',
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
	for (const output of Object.values(metafile.outputs))
		for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) if (bytesInOutput > 0) inputs?.add(path)
	// esbuild makes the bundle of a command line executable; in the image only node is.
	await chmod(outfile, 0o644)
	const later = Object.keys(metafile.outputs)
		.map((path) => resolve(path))
		.filter((path) => path.endsWith('.mjs') && path !== resolve(outfile))
	const beside = [...workers].map((worker) =>
		bundle(worker, join(folder, basename(worker).replace(/\.ts$/, '.mjs')), { inputs }),
	)
	return [outfile, ...later, ...(await Promise.all(beside)).flat()]
}

if (import.meta.main) {
	const [entry, outfile] = process.argv.slice(2)
	if (!entry || !outfile) throw new Error('usage: bundle.ts ENTRY OUTFILE')
	for (const file of await bundle(entry, outfile)) {
		const { size } = await stat(file)
		process.stdout.write(`${file}: ${(size / 1e6).toFixed(1)} MB\n`)
	}
}

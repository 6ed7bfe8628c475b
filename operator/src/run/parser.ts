type Parse = typeof import('../api/parse.ts').parseBinding

let parse: Parse | undefined

/** Reads bindings. It brings the library for schemas, which takes memory that nobody needs before the first one. */
export async function parser(): Promise<Parse> {
	// An `import()` of what is there already takes as long as the parsing of a small binding.
	parse ??= (await import('../api/parse.ts')).parseBinding
	return parse
}

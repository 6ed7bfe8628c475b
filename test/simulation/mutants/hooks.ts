// Loaded before anything else: replaces the text of one mutant while its module is read.
import { registerHooks } from 'node:module'
import { MUTANTS } from './table.ts'

const mutant = MUTANTS[Number(process.env['ASB_MUTANT'])]
if (!mutant) throw new Error(`there is no mutant ${process.env['ASB_MUTANT']}`)

registerHooks({
	load(url, context, next) {
		const loaded = next(url, context)
		if (!url.endsWith(`/operator/src/${mutant.file}`)) return loaded
		const text = String(loaded.source)
		const parts = text.split(mutant.find)
		if (parts.length !== 2)
			throw new Error(`${mutant.file} has ${parts.length - 1} times what "${mutant.broken}" replaces: ${mutant.find}`)
		return { ...loaded, source: parts.join(mutant.replace) }
	},
})

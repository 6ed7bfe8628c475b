// Asks the API server what there is, and the oracle whether that is right.
import { parseManifest } from 'purista-azure-mounted-secret-store/manifest'
import { difference } from '../../../oracle/settled.ts'
import type { Stage } from '../stage.ts'
import { type Checker, textsOf } from './checker.ts'
import { UNORDERED } from './specs.ts'
import type { RandomVault } from './vault.ts'

/** @returns what is not yet as the model says; undefined when all is */
export async function unsettled(stage: Stage, vault: RandomVault, checker: Checker): Promise<string | undefined> {
	for (const [secretName, { spec, watching }] of checker.bindings) {
		const { metadata, status } = await stage.binding(spec.name)
		const secret = await stage.secret(secretName)
		const texts = textsOf(secret ?? {})
		const parsed = parseManifest(texts.get('.binding.json') ?? '')
		const manifest = parsed.kind === 'ok' ? parsed.manifest.secrets : {}
		checker.pass()
		const shown = { generation: metadata.generation, status, texts, manifest }
		const tied = ({ objectName }: { objectName: string }) => UNORDERED.has(objectName)
		const problem =
			secret && parsed.kind !== 'ok' ? 'no manifest' : difference(watching, { ...shown, tied }, vault.history)
		if (problem !== undefined) return `${spec.name}: ${problem}`
	}
	return undefined
}

// Manifests that are read again and again: by each judge, and each time somebody asks whether everything is right by now.
import { type ParsedManifest, parseManifest } from 'purista-azure-mounted-secret-store/manifest'

// More than there are at once in the places of a history.
const MOST = 64
const known = new Map<string, ParsedManifest>()

/** What a text says, which is always the same. */
export function manifestIn(text: string): ParsedManifest {
	const before = known.get(text)
	if (before) return before
	if (known.size >= MOST) known.clear()
	const parsed = parseManifest(text)
	known.set(text, parsed)
	return parsed
}

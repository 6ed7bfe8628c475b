/**
 * The manifest of a mounted directory, shared by the operator that writes it and the store that reads it.
 * It has no dependencies and does no IO.
 *
 * @module
 */
export { fileNameProblem, previousFileName } from './file-names.ts'
export { type ParsedManifest, parseManifest } from './parse.ts'
export {
	MANIFEST_FILE,
	MANIFEST_SCHEMA,
	type Manifest,
	type ManifestPrevious,
	type ManifestSecret,
	type ManifestSelector,
	type ManifestWanted,
	SECRET_STATES,
	type SecretState,
} from './schema.ts'
export { sameContent, serializeManifest } from './serialize.ts'

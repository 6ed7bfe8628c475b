// A CycloneDX document of an image, from what is in it: npm packages of which something is in the bundle, node, Debian's libraries.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Part } from './runtime.ts'

/** The npm package that a file lies in. @returns undefined: it is one of ours */
export function packageOf(root: string, file: string): string | undefined {
	const at = file.lastIndexOf('node_modules/')
	if (at < 0) return undefined
	const [first = '', second = ''] = file.slice(at + 'node_modules/'.length).split('/')
	const name = first.startsWith('@') ? `${first}/${second}` : first
	const folder = `${file.slice(0, at)}node_modules/${name}`
	return existsSync(join(root, folder, 'package.json')) ? folder : undefined
}

interface PackageJson {
	name: string
	version: string
	license?: string | { type: string }
}

/** Package URLs write a scope's `@` as %40. */
const npmUrl = ({ name, version }: PackageJson) => `pkg:npm/${name.replace('@', '%40')}@${version}`

/** The npm packages that these files come from, each once, by name and version. */
export function npmParts(root: string, inputs: Iterable<string>): Part[] {
	const parts = new Map<string, Part>()
	for (const folder of new Set([...inputs].map((file) => packageOf(root, file)))) {
		if (folder === undefined) continue
		const json = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as PackageJson
		const license = typeof json.license === 'string' ? json.license : (json.license?.type ?? 'NOASSERTION')
		const purl = npmUrl(json)
		parts.set(purl, {
			name: json.name,
			version: json.version,
			purl,
			license,
			notice: noticeOf(join(root, folder)),
			files: [],
		})
	}
	return [...parts.values()].toSorted((a, b) => (a.purl < b.purl ? -1 : 1))
}

/** The licence that lies in a package; Azure's packages of one repository have it once, as others do: then their name says it. */
function noticeOf(folder: string): string {
	const names = readdirSync(folder).filter((name) => /^(licen[cs]e|notice|copying)/i.test(name))
	return names
		.toSorted()
		.map((name) => readFileSync(join(folder, name), 'utf8').trim())
		.join('\n\n')
}

export interface SbomOptions {
	readonly name: string
	readonly version: string
	readonly created: string
	readonly parts: readonly Part[]
	/** Absolute paths of our own files in the image. */
	readonly own: readonly string[]
}

/** An SPDX expression with an operator is no id. */
const licenseOf = (license: string) =>
	license === 'NOASSERTION'
		? []
		: [/ (AND|OR|WITH) /.test(license) ? { expression: license } : { license: { id: license } }]

const occurrences = (files: readonly string[]) =>
	files.length > 0 ? { evidence: { occurrences: files.map((location) => ({ location })) } } : {}

export function sbomOf({ name, version, created, parts, own }: SbomOptions): object {
	const components = parts.map((part) => ({
		type: part.purl.startsWith('pkg:npm/') ? 'library' : part.name === 'node' ? 'platform' : 'library',
		'bom-ref': part.purl,
		name: part.name,
		version: part.version,
		purl: part.purl,
		licenses: licenseOf(part.license),
		...occurrences(part.files),
	}))
	const root = {
		type: 'container',
		'bom-ref': `pkg:oci/${name}@${version}`,
		name,
		version,
		licenses: [{ license: { id: 'Apache-2.0' } }],
		...occurrences(own),
	}
	// The same content has the same number: RFC 9562, version 8.
	const hex = createHash('sha256').update(JSON.stringify({ root, components })).digest('hex')
	const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
	return {
		bomFormat: 'CycloneDX',
		specVersion: '1.6',
		serialNumber: `urn:uuid:${uuid}`,
		version: 1,
		metadata: { timestamp: created, component: root },
		components,
		dependencies: [{ ref: root['bom-ref'], dependsOn: parts.map(({ purl }) => purl) }],
	}
}

interface Located {
	evidence?: { occurrences: { location: string }[] }
}

/** Files of an image that no component of its document names. */
export function filesWithoutComponent(sbom: object, files: Iterable<string>): string[] {
	const { metadata, components } = sbom as { metadata: { component: Located }; components: Located[] }
	const known = new Set(
		[metadata.component, ...components].flatMap(
			(each) => each.evidence?.occurrences.map(({ location }) => location) ?? [],
		),
	)
	return [...files].filter((file) => !known.has(file)).toSorted()
}

/** What licences ask to be passed on, as one text. */
export function noticesOf(parts: readonly Part[]): string {
	const line = '-'.repeat(80)
	const texts = parts.map(
		({ name, version, license, notice }) =>
			`${line}\n${name} ${version} (${license})\n${line}\n\n${notice || `Licensed under ${license}.`}\n`,
	)
	return `Third-party software in this image, each under its own licence.\n\n${texts.join('\n')}`
}

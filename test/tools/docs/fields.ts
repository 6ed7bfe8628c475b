// The fields of a schema against the code that reads them and the page that describes them.

export interface Schema {
	properties?: Record<string, Schema>
	items?: Schema
}

/** Paths of all fields, such as `spec.secrets[].name`. */
export function fieldsOf({ properties = {}, items }: Schema, path: string): string[] {
	const inItems = items ? fieldsOf(items, `${path}[]`) : []
	return [
		...Object.entries(properties).flatMap(([name, each]) => [`${path}.${name}`, ...fieldsOf(each, `${path}.${name}`)]),
		...inItems,
	]
}

/** A comment that names a field does not read it. */
const withoutComments = (source: string) => source.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')

/** What code names as code in headings: one heading may be of several fields. */
const headingsOf = (page: string) =>
	[...page.matchAll(/^#{2,}.*$/gm)].flatMap(([heading]) =>
		[...heading.matchAll(/`([^`]+)`/g)].map(([, field = '']) => field),
	)

export function fieldProblems(fields: readonly string[], sources: readonly string[], page: string): string[] {
	// A run that found nothing has not looked.
	if (fields.length === 0) return ['no field was found in the schema']
	const code = sources.map(withoutComments).join('\n')
	const headings = headingsOf(page)
	// What only has other fields in it is described by theirs.
	const hasHeading = (field: string) =>
		headings.some((each) => each === field || each.startsWith(`${field}.`) || each.startsWith(`${field}[].`))
	return [
		...fields
			.filter((field) => !new RegExp(`\\b${field.split('.').at(-1)}\\b`).test(code))
			.map((field) => `${field}: nothing in operator/src reads it. A field that is accepted must do something.`),
		...fields
			.filter((field) => !hasHeading(field))
			.map((field) => `${field}: crds/README.md has no heading \`${field}\`. Write below one what it does.`),
		...headings
			.filter((heading) => heading.startsWith('spec.') && !fields.includes(heading))
			.map((heading) => `crds/README.md: the heading \`${heading}\` is of no field of the schema.`),
	]
}

/** The section of a version; before its release, what stands under "Unreleased". */
export function changesOf(changelog: string, version: string): string {
	const sections = changelog.split(/^## /m).slice(1)
	const find = (title: string) => sections.find((each) => each.split('\n', 1)[0]?.startsWith(title))
	const section = find(version) ?? find('Unreleased')
	if (!section) throw new Error(`CHANGELOG.md has neither a section "${version}" nor "Unreleased"`)
	return `## ${section.trim()}\n`
}

// A list tells no version ids. Whoever follows a secret by lists alone tells its versions apart by their time, in this form,
// which no id of the vault has and which is shown to nobody.
const MARK = '@'

/** @param updated seconds since 1970 */
export const listedVersion = (updated: number | undefined): string => `${MARK}${updated ?? ''}`

/** The version as it may be shown: undefined when it is only known by its time. */
export const shownVersion = (version: string | undefined): string | undefined =>
	version?.startsWith(MARK) ? undefined : version

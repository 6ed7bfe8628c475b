/** Where the documentation has a section for each reason, from the root of the repository. */
export const HELP_PAGE = 'crds/troubleshooting.md'

/** What a heading becomes as an anchor: lower case. A reason has no other characters than letters. */
export const anchorOf = (reason: string) => reason.toLowerCase()

export const helpLine = (reason: string) => `Help: ${HELP_PAGE}#${anchorOf(reason)}`

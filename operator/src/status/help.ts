/** Where the documentation has a section for each reason, from the root of the repository. */
export const HELP_PAGE = 'crds/troubleshooting.md'

/** What a heading becomes as an anchor: lower case. A reason has no other characters than letters. */
export const anchorOf = (reason: string) => reason.toLowerCase()

const helpLine = (reason: string) => `Help: ${HELP_PAGE}#${anchorOf(reason)}`

/** A message with the line of its reason, once: a verdict that goes on is taken from the message that stands there. */
export const withHelp = (message: string, reason: string): string =>
	`${message.replace(/\nHelp: \S+$/, '')}\n${helpLine(reason)}`

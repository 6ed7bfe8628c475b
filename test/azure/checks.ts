// What the operator and the emulator believe of Key Vault, asked of a vault that is really there.
export interface Answer {
	readonly status: number
	readonly headers: Readonly<Record<string, string | undefined>>
	readonly body: Body
}
interface Body {
	readonly id?: string
	readonly recoveryId?: string
	readonly value?: unknown
	readonly nextLink?: string | null
	readonly attributes?: { readonly created: number; readonly updated: number; readonly enabled: boolean }
	readonly error?: { readonly code: string; readonly innererror?: { readonly code: string } }
}
type Item = Required<Pick<Body, 'id' | 'attributes'>> & Body

/** Asks the vault; `path` begins with a slash and has its query. `token: false` shows none. */
export type Ask = (path: string, options?: { method?: string; body?: object; token?: boolean }) => Promise<Answer>

export interface Check {
	readonly title: string
	/** Rejects with what is otherwise. */
	run(ask: Ask, name: string): Promise<void>
}

export const API = 'api-version=7.6'

function same(what: string, found: unknown, expected: unknown): void {
	const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
	if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`)
}
const put = (ask: Ask, name: string, body: object) => ask(`/secrets/${name}?${API}`, { method: 'PUT', body })
const versionOf = (answer: Answer) => answer.body.id?.split('/').at(-1) ?? ''

/** All pages of a list; at most so many, as the operator itself has a bound. */
export async function pages(ask: Ask, path: string): Promise<Item[]> {
	const items: Item[] = []
	for (let next: string | null | undefined = path, page = 0; next; page++) {
		if (page === 400) throw new Error('more than 400 pages: use a vault for tests')
		const { status, body } = await ask(next)
		same('status of a page', status, 200)
		items.push(...(body.value as Item[]))
		const link = body.nextLink
		next = link && `${new URL(link).pathname}${new URL(link).search}`
	}
	return items
}

export const CHECKS: readonly Check[] = [
	{
		title: 'a request without a token is told where to get one',
		async run(ask) {
			const { status, headers } = await ask(`/secrets?${API}`, { token: false })
			same('status', status, 401)
			same(
				'a Bearer challenge',
				/^Bearer .*(authorization|authorization_uri)=/.test(headers['www-authenticate'] ?? ''),
				true,
			)
		},
	},
	{
		title: 'a value that is set is read, with a version of 32 digits, times in whole seconds, and a Date beside it',
		async run(ask, name) {
			const set = await put(ask, name, { value: 'first', contentType: 'text/plain', tags: { team: 'a' } })
			same('status', set.status, 200)
			same('form of the version', /^[0-9a-f]{32}$/.test(versionOf(set)), true)
			const read = await ask(`/secrets/${name}?${API}`)
			same('value', read.body.value, 'first')
			const { created = 0.5, updated = 0.5 } = read.body.attributes ?? {}
			same('whole seconds', [Number.isInteger(created), Number.isInteger(updated)], [true, true])
			// A minute: the service's own machines may differ.
			same('near to Date', Math.abs(Date.parse(read.headers['date'] ?? '') / 1000 - updated) < 60, true)
		},
	},
	{
		title: 'a new version is the current one, and the one before stays readable by its id',
		async run(ask, name) {
			const first = await put(ask, name, { value: 'first' })
			const second = await put(ask, name, { value: 'second' })
			same('current', (await ask(`/secrets/${name}?${API}`)).body.value, 'second')
			same('before', (await ask(`/secrets/${name}/${versionOf(first)}?${API}`)).body.value, 'first')
			const versions = await pages(ask, `/secrets/${name}/versions?${API}`)
			const ids = versions.map(({ id }) => id.split('/').at(-1))
			same(
				'both are listed',
				[first, second].map(versionOf).every((each) => ids.includes(each)),
				true,
			)
			same('values in the list', versions.filter(({ value }) => value !== undefined).length, 0)
		},
	},
	{
		title: 'a list names it without version and value, with the time of its current version',
		async run(ask, name) {
			await put(ask, name, { value: 'listed' })
			const { attributes } = (await ask(`/secrets/${name}?${API}`)).body
			const item = (await pages(ask, `/secrets?${API}&maxresults=25`)).find(({ id }) => id.endsWith(`/secrets/${name}`))
			same('found', item !== undefined, true)
			same('value', item?.value, undefined)
			same('updated', item?.attributes.updated, attributes?.updated)
		},
	},
	{
		title: 'names are compared without case',
		async run(ask, name) {
			await put(ask, name, { value: 'one' })
			same('value', (await ask(`/secrets/${name.toUpperCase()}?${API}`)).body.value, 'one')
		},
	},
	{
		title: 'an absent secret is 404 SecretNotFound',
		async run(ask, name) {
			const { status, body } = await ask(`/secrets/${name}-absent?${API}`)
			same('answer', [status, body.error?.code], [404, 'SecretNotFound'])
		},
	},
	{
		title: 'a disabled version is 403 with the inner code SecretDisabled',
		async run(ask, name) {
			await put(ask, name, { value: 'off', attributes: { enabled: false } })
			const { status, body } = await ask(`/secrets/${name}?${API}`)
			same('answer', [status, body.error?.code, body.error?.innererror?.code], [403, 'Forbidden', 'SecretDisabled'])
		},
	},
	{
		title: 'a deleted secret is absent, also while it can be recovered',
		async run(ask, name) {
			await put(ask, name, { value: 'gone' })
			same('deletion', (await ask(`/secrets/${name}?${API}`, { method: 'DELETE' })).status, 200)
			const { status, body } = await ask(`/secrets/${name}?${API}`)
			same('answer', [status, body.error?.code], [404, 'SecretNotFound'])
		},
	},
]

export interface Result {
	readonly title: string
	/** undefined: as expected */
	readonly problem: string | undefined
	/** Why it could not be asked; then `problem` is undefined. */
	readonly notAsked?: string
}

/** What belongs together in a report. */
export interface Section {
	readonly title: string
	readonly results: readonly Result[]
}

/** Runs all, each with a secret of its own, and takes these away; a vault with soft delete keeps them until its time. */
export async function runChecks(ask: Ask, prefix: string): Promise<Result[]> {
	const results: Result[] = []
	for (const [index, { title, run }] of CHECKS.entries()) {
		const name = `${prefix}-${index}`
		const problem = await run(ask, name).then(
			() => undefined,
			(error: unknown) => (error instanceof Error ? error.message : 'unknown'),
		)
		results.push({ title, problem })
		await ask(`/secrets/${name}?${API}`, { method: 'DELETE' }).catch(() => undefined)
	}
	return results
}

/** Text to keep in the repository. It names no value and no token. */
export function reportOf(sections: readonly Section[], vault: string, at: Date): string {
	const parts = sections.map(({ title, results }) => {
		const asked = results.filter(({ notAsked }) => notAsked === undefined)
		const good = asked.filter(({ problem }) => problem === undefined).length
		const rest = results.length - asked.length
		const count = `${good} of ${asked.length} as expected.${rest > 0 ? ` ${rest} not asked.` : ''}`
		return `## ${title}\n\n${count}\n\n${results.map(lineOf).join('\n')}\n`
	})
	return `# ${at.toISOString().slice(0, 10)}: ${vault}\n\n${parts.join('\n')}`
}

function lineOf({ title, problem, notAsked }: Result): string {
	if (notAsked !== undefined) return `- not asked: ${title} (${notAsked})`
	return problem === undefined ? `- ok: ${title}` : `- **differs**: ${title} (${problem})`
}

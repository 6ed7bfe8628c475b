// A vault that is really there, asked by a credential; and what a check leaves in it taken away.
import { setTimeout as sleep } from 'node:timers/promises'
import type { TokenCredential } from '@azure/identity'
import { API, type Ask, pages } from './checks.ts'

/** As long as the operator itself waits for an answer. */
const ANSWER_MS = 30_000

export function askOf(host: string, credential: TokenCredential): Ask {
	return async (path, { method = 'GET', body, token = true } = {}) => {
		const scope = `https://${host.slice(host.indexOf('.') + 1)}/.default`
		const bearer = token ? { authorization: `Bearer ${(await credential.getToken(scope))?.token ?? ''}` } : {}
		const answer = await fetch(`https://${host}${path}`, {
			method,
			headers: { 'content-type': 'application/json', ...bearer },
			...(body ? { body: JSON.stringify(body) } : {}),
			signal: AbortSignal.timeout(ANSWER_MS),
		})
		const text = await answer.text()
		return {
			status: answer.status,
			headers: Object.fromEntries(answer.headers),
			body: text.startsWith('{') ? (JSON.parse(text) as object) : {},
		}
	}
}

/** What is being deleted or purged is for some seconds in neither list: so many empty looks in a row are the end. */
const EMPTY_LOOKS = 10
/** A minute and a half: Key Vault takes seconds, and minutes in a bad hour. */
const LOOKS = 90

/**
 * Deletes and purges every secret whose name begins so, and answers those that stayed: a vault with purge protection keeps them
 * until their time, and so does one whose role may not purge.
 */
export async function cleanUp(ask: Ask, prefix: string, everyMs = 1_000): Promise<string[]> {
	const named = async (area: string, key: 'id' | 'recoveryId') =>
		(await pages(ask, `/${area}?${API}`))
			.map((item) => (item[key] ?? '').split(`/${area}/`)[1] ?? '')
			.filter((name) => name.toLowerCase().startsWith(prefix))
	const remove = async (path: string) => (await ask(`${path}?${API}`, { method: 'DELETE' })).status
	const refused = new Set<string>()
	for (let [look, empty] = [0, 0]; look < LOOKS && empty < EMPTY_LOOKS; look++) {
		const live = await named('secrets', 'id')
		const deleted = (await named('deletedsecrets', 'recoveryId')).filter((name) => !refused.has(name))
		for (const name of live) await remove(`/secrets/${name}`)
		for (const name of deleted) if ((await remove(`/deletedsecrets/${name}`)) === 403) refused.add(name)
		empty = live.length + deleted.length === 0 ? empty + 1 : 0
		await sleep(everyMs)
	}
	return [...(await named('secrets', 'id')), ...(await named('deletedsecrets', 'recoveryId'))]
}

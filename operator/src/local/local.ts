import { join } from 'node:path'
import type { TokenCredential } from '@azure/identity'
import type { Binding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { type Git, whyNotOurs } from '../destinations/folder/claim.ts'
import { createFolderDestination } from '../destinations/folder/folder.ts'
import { removeGenerations } from '../destinations/mount/atomic-writer.ts'
import type { Source } from '../engine/source.ts'
import type { Destination } from '../ports/destination.ts'
import type { Clock } from '../process/clock.ts'
import { createOneByOne } from '../process/one-by-one.ts'
import type { MakeForms } from '../run/answer.ts'
import { createVaults } from '../vault/pool.ts'
import { type Account, findAccount } from './account.ts'
import { readDocuments } from './documents.ts'
import { follow } from './mirror.ts'
import type { LocalOptions } from './options.ts'
import { announcement, isWell, newsOf, tableOf } from './print.ts'

export interface LocalDeps {
	readonly clock: Clock
	readonly random: () => number
	/** asks to stop */
	readonly signal: AbortSignal
	readonly credential: () => TokenCredential
	readonly makeForms: MakeForms
	readonly git: Git
	readonly read: (file: string) => Promise<string>
	readonly say: (text: string) => void
	/** Asks somebody. Undefined: nobody is there. */
	readonly confirm: ((question: string) => Promise<boolean>) | undefined
}

/** Ends everything, with nothing to add to what was said. */
class Declined extends Error {
	override readonly name = 'Declined'
}

interface Place {
	readonly binding: Binding
	readonly folder: string
	readonly source: Source
}

/**
 * The main job without a cluster: the same YAML, the same passes, a folder instead of a Secret, and your own account instead
 * of a ServiceAccount's.
 *
 * 1. The file is read; folders that are not ours are refused before anything is asked of Azure.
 * 2. Whose account it is, is found out and shown, with vault and names, before the first write of each binding.
 * 3. Each binding is followed until somebody stops it. At the end the files go, unless they are to stay.
 *
 * @returns the exit code: 0, 1 when it did not come to what was asked for, 2 when the input is wrong
 */
export async function runLocal(options: LocalOptions, given: LocalDeps): Promise<number> {
	const say = (text: string) => given.say(plainOf(text))
	const deps = { ...given, say }
	const documents = readDocuments(await deps.read(options.file))
	if (documents.kind === 'invalid') return refuse(say, `${options.file}: ${documents.problem}`)
	if (documents.skipped.length > 0) say(`skipped: ${documents.skipped.join(', ')}`)
	if (!options.yes && !deps.confirm)
		return refuse(say, 'There is no terminal to ask before the first write. Write --yes if it shall not be asked.')
	const { bindings } = documents
	const folderOf = ({ name }: Binding) => (bindings.length === 1 ? options.out : join(options.out, name))
	const folders = bindings.map(folderOf)
	const twice = folders.find((folder, i) => folders.indexOf(folder) !== i)
	if (twice !== undefined)
		return refuse(say, `Two bindings would have the folder ${twice}. Give one of them its own file.`)
	for (const binding of bindings) {
		const problem = await whyNotOurs(folderOf(binding), binding.uid, deps.git)
		if (problem !== undefined) return refuse(say, problem)
	}
	const suffix = options.vaultSuffixes.find((each) => bindings[0]?.vaultUrl?.endsWith(`.${each}`))
	if (suffix === undefined)
		return refuse(
			say,
			`The vault ${bindings[0]?.vaultUrl} has no suffix that may be read: ${options.vaultSuffixes.join(', ')}.`,
		)
	const search = await findAccount(deps.credential(), `https://${suffix}/.default`)
	if (search.kind === 'none') return refuse(say, search.problem)
	const places = bindings.map((binding) => ({
		binding,
		folder: folderOf(binding),
		source: sourceOf(binding, search.account),
	}))
	return followAll(places, search.account, options, deps)
}

async function followAll(
	places: readonly Place[],
	account: Account,
	options: LocalOptions,
	deps: LocalDeps,
): Promise<number> {
	const { clock, random, say, makeForms } = deps
	const { once, keep } = options
	const ending = new AbortController()
	const signal = AbortSignal.any([deps.signal, ending.signal])
	const vaults = createVaults({
		clock,
		random,
		// Nobody is asked for a ServiceAccount's token: the credential below needs none.
		tokens: { request: async () => ({ token: '', expiresAt: Number.POSITIVE_INFINITY }) },
		credential: deps.credential,
		authorityHost: options.authorityHost,
		disableInstanceDiscovery: options.disableInstanceDiscovery,
		clusterName: 'local',
		vaultSuffixes: options.vaultSuffixes,
	})
	const ask = oneAtATime(options.yes ? undefined : deps.confirm)
	/** folders that this run has written to, and what it is writing: a pass that is cut short does not wait for it */
	const written = new Set<string>()
	const writing = new Set<Promise<unknown>>()
	const one = async ({ binding, folder, source }: Place): Promise<BindingStatus> => {
		if (!vaults.isAllowed(source.vaultUrl))
			throw new Declined(`The vault ${source.vaultUrl} must be https://<name>.<suffix>, without port or path.`)
		const destination = createFolderDestination({
			path: folder,
			clock,
			async beforeFirst(change) {
				say(`\n${announcement(binding, account, folder, change, keep)}`)
				if (!(await ask(`Write ${change.set.size} files to ${folder}? [y/N] `)))
					throw new Declined('Nothing was written.')
			},
		})
		const onStatus = (status: BindingStatus, before: BindingStatus) => {
			const news = newsOf(status, before)
			if (news.length === 0) return
			say(`\n${tableOf(binding, status, folder)}\n${news.map((line) => indent(line)).join('\n')}`)
		}
		const watched: Destination = {
			...destination,
			write(change, aborted) {
				const work = destination.write(change, aborted).then((answer) => {
					if (answer.kind === 'written') written.add(folder)
					return answer
				})
				writing.add(work)
				return work.finally(() => writing.delete(work))
			},
		}
		return follow({ binding, source, vaults, destination: watched, makeForms, clock, random, signal, once, onStatus })
	}
	const running = places.map(one)
	let declined = false
	try {
		const statuses = await Promise.all(running)
		return statuses.every(isWell) ? 0 : 1
	} catch (error) {
		ending.abort(error)
		declined = error instanceof Declined
		if (error instanceof Declined) return refuse(say, error.message, 1)
		if (deps.signal.aborted) return 0
		throw error
	} finally {
		// Whoever still writes would make anew what is removed.
		await Promise.allSettled([...running, ...writing])
		if (!keep)
			await removeAll(
				places.map(({ folder }) => folder).filter((each) => !declined || written.has(each)),
				say,
			)
	}
}

/** Takes the files away, of each folder for itself. */
async function removeAll(folders: readonly string[], say: (text: string) => void): Promise<void> {
	const results = await Promise.allSettled(folders.map(removeGenerations))
	const left = folders.filter((_, i) => results[i]?.status === 'rejected')
	if (left.length > 0) say(`Files are left and have to be removed by hand: ${left.join(', ')}`)
	else if (folders.length > 0) say('The files are removed.')
}

/** Without what a terminal obeys: messages quote the file, which somebody else may have written. */
const plainOf = (text: string) => text.replaceAll(/[^\P{Cc}\n]/gu, '\uFFFD')

const indent = (text: string) => text.replaceAll(/^/gm, '  ')

/** Questions of several bindings one after the other. @param confirm undefined: nobody is asked, and all is well */
function oneAtATime(confirm: LocalDeps['confirm']): (question: string) => Promise<boolean> {
	const oneByOne = createOneByOne()
	return (question) => (confirm ? oneByOne('', () => confirm(question)) : Promise.resolve(true))
}

function sourceOf({ namespace, identity, vaultUrl = '' }: Binding, { id, tenantId }: Account): Source {
	const { serviceAccountName: serviceAccount, audience } = identity
	return { vaultUrl, tenantId, clientId: id, audience, namespace, serviceAccount, serviceAccountUid: 'local' }
}

function refuse(say: (text: string) => void, problem: string, code = 2): number {
	say(problem)
	return code
}

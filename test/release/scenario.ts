// A binding with one of each: a secret with an older version, a pinned one, a selected one, and one that is gone and kept.
// `node --conditions=asb-source test/release/scenario.ts` writes what this version delivers over previous/delivered.json.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openBinding } from '../../operator/src/run/testing/one-binding.ts'

export const DELIVERED: string = join(import.meta.dirname, 'previous/delivered.json')

export const SPEC: Readonly<Record<string, unknown>> = {
	secrets: [
		{ name: 'db', objectName: 'payments-db', previous: 1 },
		{ name: 'pin', objectName: 'payments-pin', version: '1'.padStart(32, '0') },
		{ name: 'gone', objectName: 'gone', optional: true },
	],
	select: [{ tags: { team: 'payments' } }],
}

/** Fills the vault in the same order, so that versions and times are the same, and lets the operator look when it has to. */
export async function vaultOf(
	one: ReturnType<typeof openBinding>,
	{ reconcile = true }: { reconcile?: boolean } = {},
): Promise<void> {
	const vault = one.vault('a')
	vault.set('payments-db', 'first')
	vault.set('payments-pin', 'pinned')
	vault.set('bytag', 'tagged', { tags: { team: 'payments' } })
	vault.set('gone', 'kept')
	await one.clock.advance(5_000)
	vault.set('payments-db', 'second')
	vault.set('payments-pin', 'not the pinned one')
	await one.clock.advance(5_000)
	if (reconcile) await one.reconcile()
	vault.remove('gone')
	if (reconcile) await one.pass(200_000)
	else await one.clock.advance(200_000)
}

if (import.meta.main) {
	const one = openBinding(SPEC)
	await vaultOf(one)
	const held = await one.secrets.readBack('ns', 'mine', 'payments')
	if (held.kind !== 'ours') throw new Error('nothing was delivered')
	const { uid: _uid, resourceVersion: _version, managedFields: _fields, ...metadata } = held.secret.metadata
	const delivered = { status: one.status, metadata, files: one.secrets.text('mine') }
	writeFileSync(DELIVERED, `${JSON.stringify(delivered, null, '\t')}\n`)
}

import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import type { Sender } from './http.ts'

// Identity bindings of AKS: many clusters and ServiceAccounts share one managed identity without a federated credential for each.
// Their tokens have an audience of their own, and are exchanged by a proxy of AKS in the cluster, which asks Entra.

/** The audience of tokens that go there. Where no proxy is configured they go to Entra as others do, which takes none of them. */
export const BINDING_AUDIENCE = 'api://AKSIdentityBinding'

/** Where the proxy is, as AKS's webhook writes it into the environment of a pod. */
export interface TokenProxy {
	readonly url: string
	/** the name in its certificate, where it is not the host of the URL */
	readonly serverName: string | undefined
	/** PEM, or the file that has it and may be replaced; at most one of them */
	readonly ca: string | undefined
	readonly caFile: string | undefined
}

/** @returns undefined: the environment names none; or what is wrong with it */
export function tokenProxyOf(env: NodeJS.ProcessEnv): TokenProxy | undefined | { problem: string } {
	const text = (name: string) => env[`AZURE_KUBERNETES_${name}`] || undefined
	const [url, ca, caFile, serverName] = [text('TOKEN_PROXY'), text('CA_DATA'), text('CA_FILE'), text('SNI_NAME')]
	if (url === undefined) return undefined
	const parsed = URL.canParse(url) ? new URL(url) : undefined
	if (parsed?.protocol !== 'https:' || parsed.username || parsed.password || parsed.search || parsed.hash)
		return { problem: 'AZURE_KUBERNETES_TOKEN_PROXY is no https URL without user, query and fragment' }
	if (ca !== undefined && caFile !== undefined)
		return { problem: 'AZURE_KUBERNETES_CA_DATA and AZURE_KUBERNETES_CA_FILE: write one of them' }
	return { url: parsed.href, serverName, ca, caFile }
}

/**
 * Sends what the library would send to Entra to the proxy: the same path behind the proxy's own, by its CA. Tokens of this audience
 * are no use to anybody else, and no proxy that the environment names for other traffic is between.
 */
export function createTokenProxySender(proxy: TokenProxy, sender: Sender): Sender {
	const base = new URL(proxy.url)
	const agentOf = createAgents(proxy)
	return {
		...sender,
		send(request, signal) {
			const wanted = new URL(request.url)
			const url = new URL(base)
			url.pathname = `${base.pathname.replace(/\/$/, '')}${wanted.pathname}`
			url.search = wanted.search
			request.url = url.href
			request.agent = agentOf()
			return sender.send(request, signal)
		},
	}
}

/** Connections that last as long as the CA: the file is replaced when AKS rotates it. */
function createAgents({ serverName, ca, caFile }: TokenProxy): () => Agent {
	const agentOf = (pem: string | undefined) =>
		new Agent({
			keepAlive: true,
			...(pem === undefined ? {} : { ca: pem }),
			...(serverName === undefined ? {} : { servername: serverName }),
		})
	let known: { pem: string | undefined; agent: Agent } | undefined
	return () => {
		// Each exchange, once an hour for each identity: as the library of Entra has it. Empty in the middle of a replacement.
		const pem = caFile === undefined ? ca : readFileSync(caFile, 'utf8') || known?.pem
		// Without one node would trust every public authority, and show the token to whoever has a certificate of one.
		if (caFile !== undefined && pem === undefined) throw new Error(`the CA of the token proxy is empty: ${caFile}`)
		if (!known || known.pem !== pem) {
			known?.agent.destroy()
			known = { pem, agent: agentOf(pem) }
		}
		return known.agent
	}
}

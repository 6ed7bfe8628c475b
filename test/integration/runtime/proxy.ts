import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy on loopback, in front of the real API server, that can do to connections what networks do. */
export interface TcpProxy {
	/** `https://127.0.0.1:port` */
	server: string
	/** connections accepted so far */
	readonly accepted: number
	/** Resets all connections; new ones work. */
	reset(): void
	/** Present connections stay open and carry nothing more; new ones work. */
	freeze(): void
	/** From now on connections are reset as soon as they come, the present ones at once; until `restore`. */
	cut(): void
	restore(): void
	close(): Promise<void>
}

export async function startProxy(to: { host: string; port: number }): Promise<TcpProxy> {
	const pairs = new Set<[Socket, Socket]>()
	let accepted = 0
	let isCut = false
	const listener = createServer((client) => {
		accepted++
		client.on('error', () => {})
		if (isCut) {
			client.resetAndDestroy()
			return
		}
		const upstream = connect(to.port, to.host)
		const pair: [Socket, Socket] = [client, upstream]
		pairs.add(pair)
		const end = () => {
			pairs.delete(pair)
			client.destroy()
			upstream.destroy()
		}
		upstream.on('error', end).on('close', end)
		client.on('close', end)
		client.pipe(upstream)
		upstream.pipe(client)
	})
	await new Promise<void>((resolve) => {
		listener.listen(0, '127.0.0.1', resolve)
	})
	const reset = () => {
		for (const [client] of pairs) client.resetAndDestroy()
	}
	return {
		server: `https://127.0.0.1:${(listener.address() as AddressInfo).port}`,
		get accepted() {
			return accepted
		},
		reset,
		freeze() {
			for (const [client, upstream] of pairs) {
				client.unpipe(upstream)
				upstream.unpipe(client)
				client.pause()
				upstream.pause()
			}
		},
		cut() {
			isCut = true
			reset()
		},
		restore() {
			isCut = false
		},
		async close() {
			for (const [client, upstream] of pairs) {
				client.destroy()
				upstream.destroy()
			}
			await new Promise<void>((resolve) => {
				listener.close(() => resolve())
			})
		},
	}
}

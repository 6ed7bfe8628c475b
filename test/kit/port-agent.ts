import type { Agent } from 'node:https'

/** The emulator's agent, connecting to its port whatever port the URL means: names of production mean 443. */
export function portAgent(agent: Agent, port: number): Agent {
	const connect = agent.createConnection.bind(agent)
	agent.createConnection = (options, done) => connect({ ...options, port }, done)
	return agent
}

// Stands in for @purista/harness where a registry lacks it. @purista/core imports these four names
// statically and calls them only on attached-agent paths, which nothing here uses.
const unavailable = () => {
	throw new Error('@purista/harness is stubbed in this workspace: agents are not available')
}
export class ModelError extends Error {}
export class ModelCapabilityError extends Error {}
export class InMemoryStateStore {
	constructor() {
		unavailable()
	}
}
export const defineHarness = unavailable

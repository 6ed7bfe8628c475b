// Bindings as the operator reads them. A tenth of the time of a history went into this: of one spec and of one status it is done once.
import { parseBinding } from '../../operator/src/api/parse.ts'
import { statusSchema } from '../../operator/src/api/schema.ts'
import type { BindingObject } from './process.ts'

export type Parsed = ReturnType<typeof parseBinding>

interface Read {
	generation: number
	annotations: Record<string, string>
	parsed: Parsed
}

const objects = new WeakMap<BindingObject, Parsed>()
const statuses = new WeakMap<object, Parsed['status']>()
const specs = new WeakMap<BindingObject['spec'], Read>()

/** What `parseBinding` makes of it. Objects are never changed, so of one object always the same; nodes share it with the operator. */
export function parsedOf(object: BindingObject): Parsed {
	const known = objects.get(object)
	if (known) return known
	const parsed = { ...withoutStatus(object), status: statusOf(object) }
	objects.set(object, parsed)
	return parsed
}

function withoutStatus(object: BindingObject): Parsed {
	const { metadata, spec } = object
	const { generation, annotations } = metadata
	const before = specs.get(spec)
	if (before?.generation === generation && before.annotations === annotations) return before.parsed
	const parsed = parseBinding({ metadata, spec })
	specs.set(spec, { generation, annotations, parsed })
	return parsed
}

/** As `parseBinding` reads it. Most of what is edited leaves it as it was. */
function statusOf({ status = {} }: BindingObject): Parsed['status'] {
	const known = statuses.get(status)
	if (known) return known
	const read = statusSchema.safeParse(status)
	const parsed = read.success ? read.data : {}
	statuses.set(status, parsed)
	return parsed
}

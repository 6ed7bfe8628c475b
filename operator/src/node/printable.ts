import { type DescMessage, getOption, hasOption, isFieldSet, type Message } from '@bufbuild/protobuf'
import { reflect } from '@bufbuild/protobuf/reflect'
import { csi_secret } from './proto/csi_pb.ts'

/**
 * What may be printed of a message: all fields but those that its description marks as secret, at any depth. A field that is
 * added to the description later needs no change here.
 */
export function printable(schema: DescMessage, message: Message): Record<string, unknown> {
	const shown: Record<string, unknown> = {}
	const fields = reflect(schema, message)
	for (const field of schema.fields) {
		if (!isFieldSet(message, field)) continue
		if (hasOption(field, csi_secret) && getOption(field, csi_secret)) continue
		const value: unknown = fields.get(field)
		if (field.fieldKind === 'message') shown[field.localName] = printable(field.message, messageOf(value))
		// Lists of messages and maps are not in what is asked of us; what is no plain value is left out.
		else if (field.fieldKind === 'scalar' || field.fieldKind === 'enum') shown[field.localName] = value
	}
	return shown
}

/** What a reflected field of a message holds. */
function messageOf(value: unknown): Message {
	if (typeof value === 'object' && value !== null && 'message' in value) return value.message as Message
	return value as Message
}

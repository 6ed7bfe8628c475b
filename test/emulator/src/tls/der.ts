// The few ASN.1 types that an X.509 certificate needs, in DER (X.690).

function tlv(tag: number, content: Buffer): Buffer {
	const { length } = content
	if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
	const bytes: number[] = []
	for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
	return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), content])
}

export const sequence = (...items: readonly Buffer[]): Buffer => tlv(0x30, Buffer.concat(items))
export const set = (...items: readonly Buffer[]): Buffer => tlv(0x31, Buffer.concat(items))
export const octets = (content: Buffer): Buffer => tlv(0x04, content)
export const utf8 = (text: string): Buffer => tlv(0x0c, Buffer.from(text))
export const boolean = (value: boolean): Buffer => tlv(0x01, Buffer.from([value ? 0xff : 0]))
/** Explicit context tag: wraps. */
export const explicit = (number: number, content: Buffer): Buffer => tlv(0xa0 | number, content)
/** Implicit context tag of a primitive: replaces. */
export const implicit = (number: number, content: Buffer): Buffer => tlv(0x80 | number, content)

/** A non-negative integer, most significant byte first. */
export function integer(bytes: Buffer): Buffer {
	let start = 0
	while (start < bytes.length - 1 && bytes[start] === 0) start += 1
	const trimmed = bytes.subarray(start)
	return tlv(0x02, (trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed)
}

/** Bits from the left; trailing zero bits are not stored, as named bit lists demand. */
export const bits = (content: Buffer, unused = 0): Buffer => tlv(0x03, Buffer.concat([Buffer.from([unused]), content]))

export function oid(dotted: string): Buffer {
	const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
	const bytes = [first * 40 + second]
	for (const arc of rest) {
		const septets = [arc % 128]
		for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) septets.unshift((left % 128) | 0x80)
		bytes.push(...septets)
	}
	return tlv(0x06, Buffer.from(bytes))
}

/** UTCTime until 2049, GeneralizedTime after it (RFC 5280, 4.1.2.5). */
export function time(at: Date): Buffer {
	const digits = at.toISOString().replace(/[-:T]|\.\d+/g, '')
	return at.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits))
}

export const nullValue = (): Buffer => tlv(0x05, Buffer.alloc(0))

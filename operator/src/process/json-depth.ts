const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\[]{}'].map((each) =>
	each.charCodeAt(0),
)

/** Whether JSON is nested deeper than `max`: whatever walks through it afterwards may do so by recursion. */
export function isTooDeep(json: string, max: number): boolean {
	let depth = 0
	let quoted = false
	for (let at = 0; at < json.length; at++) {
		const char = json.charCodeAt(at)
		if (quoted) {
			if (char === BACKSLASH) at++
			else if (char === QUOTE) quoted = false
		} else if (char === QUOTE) quoted = true
		else if (char === OPEN_LIST || char === OPEN_OBJECT) {
			if (++depth > max) return true
		} else if (char === CLOSE_LIST || char === CLOSE_OBJECT) depth--
	}
	return false
}

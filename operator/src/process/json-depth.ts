const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\[]{}'].map((each) =>
	each.charCodeAt(0),
)

/** Whether JSON is nested deeper than `max`: whatever walks through it afterwards may do so by recursion. */
export function isTooDeep(json: string, max: number): boolean {
	// Node searches many characters at once. Whoever opens so few brackets, quoted ones included, is no deeper than that.
	if (!hasMore(json, max)) return false
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

function hasMore(json: string, max: number): boolean {
	let left = max
	for (const bracket of '{[') {
		for (let at = json.indexOf(bracket); at !== -1; at = json.indexOf(bracket, at + 1)) if (left-- === 0) return true
	}
	return false
}

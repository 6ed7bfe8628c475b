// The page on the control port: one file, served as it is.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

export interface Page {
	readonly body: Buffer
	readonly headers: Readonly<Record<string, string>>
}

let loaded: Page | undefined

/** Beside this module in the sources, in `dist`, and beside the bundle in the image. */
export function page(): Page {
	loaded ??= load(readFileSync(new URL('./page.html', import.meta.url)))
	return loaded
}

function load(body: Buffer): Page {
	const html = body.toString('utf8')
	const policy = [
		"default-src 'none'",
		// Exactly the script and the style that are in the file: whatever gets into the page by another way is not run.
		`script-src ${hashOf(html, 'script')}`,
		`style-src ${hashOf(html, 'style')}`,
		"connect-src 'self'",
		'img-src data:',
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		// No text becomes markup: names, tags and paths are whatever a client sends.
		"require-trusted-types-for 'script'",
		"trusted-types 'none'",
	]
	return {
		body,
		headers: {
			'Content-Type': 'text/html; charset=utf-8',
			'Content-Length': String(body.length),
			'Content-Security-Policy': policy.join('; '),
			'Cross-Origin-Opener-Policy': 'same-origin',
			'Cross-Origin-Resource-Policy': 'same-origin',
			'Referrer-Policy': 'no-referrer',
			'X-Content-Type-Options': 'nosniff',
			'X-Frame-Options': 'DENY',
			'Cache-Control': 'no-store',
		},
	}
}

function hashOf(html: string, tag: 'script' | 'style'): string {
	const content = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(html)?.[1]
	if (content === undefined) throw new Error(`page.html has no <${tag}>`)
	return `'sha256-${createHash('sha256').update(content).digest('base64')}'`
}

/** Colours of one of the two pictures that are drawn of each source. */
export interface Theme {
	ground: string
	zone: string
	box: string
	edge: string
	text: string
	quiet: string
	stop: string
}

/** The greys and blues of GitHub's own pages, so that a picture has no frame of another colour. */
export const THEMES: Readonly<Record<'light' | 'dark', Theme>> = {
	light: {
		ground: '#ffffff',
		zone: '#f6f8fa',
		box: '#ddf4ff',
		edge: '#0969da',
		text: '#1f2328',
		quiet: '#59636e',
		stop: '#cf222e',
	},
	dark: {
		ground: '#0d1117',
		zone: '#151b23',
		box: '#121d2f',
		edge: '#4493f8',
		text: '#f0f6fc',
		quiet: '#9198a1',
		stop: '#f85149',
	},
}

export const escapeXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

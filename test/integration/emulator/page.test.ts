/// <reference lib="dom" />
// The page on the control port in a real Chromium: everything is clicked through once, used by keyboard, and attacked.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Emulator, startEmulator } from 'azure-key-vault-emulator'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Browser, openBrowser, whyNoChromium } from './chromium.ts'

const why = await whyNoChromium()
const CLIENT = '11111111-1111-4111-8111-111111111111'
/** Runs if anything in the page becomes markup or script. */
const HOSTILE = `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
/** An attacker's name that his DNS points to loopback. */
const REBOUND = 'rebound.attacker.example'

describe.skipIf(why !== undefined)(`the page in Chromium${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
	let emulator: Emulator
	let browser: Browser
	let page: Page
	const problems: string[] = []

	beforeAll(async () => {
		emulator = await startEmulator({ vaults: ['payments', { name: 'legacy', access: 'policy' }], visibilityDelayMs: 0 })
		browser = await openBrowser({ loopbackNames: [REBOUND] })
	})
	afterAll(async () => {
		await browser?.close()
		await emulator?.close()
	})
	beforeEach(async () => {
		await page?.close()
		problems.length = 0
		await emulator.control.reset()
		await emulator.control.addClient({ clientId: CLIENT, name: 'shop' })
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'first-value', tags: { team: 'a' } })
		page = await open()
	})

	async function open(): Promise<Page> {
		const opened = await browser.context.newPage()
		// A violation of the page's own policy is an error on the console: there is none while it is used as meant.
		opened.on('console', (message) => {
			if (message.type() === 'error') problems.push(message.text())
		})
		opened.on('pageerror', (error) => problems.push(error.message))
		await opened.goto(emulator.controlUrl)
		await opened.getByText('connected', { exact: true }).waitFor()
		return opened
	}
	const click = (name: string | RegExp): Promise<void> => page.getByRole('button', { name }).first().click()
	const tab = (name: string | RegExp): Promise<void> => page.getByRole('tab', { name }).click()
	const dialog = (): Locator => page.getByRole('dialog')
	const secret = (name = 'db') => emulator.control.getSecret({ vault: 'payments', name })
	const fills = async (fields: Record<string, string>): Promise<void> => {
		for (const [label, text] of Object.entries(fields))
			await dialog()
				.getByLabel(new RegExp(`^${label}`))
				.fill(text)
	}

	it('shows a value only when asked, and hides it again', async () => {
		expect(await page.content()).not.toContain('first-value')
		await click(/^Show value of db/)
		await page.getByText('first-value').waitFor()
		await click(/^Hide value of db/)
		await page.getByText('first-value').waitFor({ state: 'detached' })
		expect(problems).toEqual([])
	})

	it('rotates, disables, enables, expires, extends, deletes, recovers and purges', async () => {
		await click('Rotate db')
		await fills({ Value: 'second\nvalue' })
		await dialog().getByRole('button', { name: 'Rotate' }).click()
		await expect.poll(async () => (await secret()).value).toBe('second\nvalue')
		expect((await secret()).tags).toEqual({ team: 'a' })
		await click('2 versions of db')
		await page.getByRole('table', { name: 'Versions of db' }).waitFor()
		expect(await page.getByRole('table', { name: 'Versions of db' }).getByRole('row').count()).toBe(3)

		await click('Disable db')
		await expect.poll(async () => (await secret()).enabled).toBe(false)
		await click('Enable db')
		await expect.poll(async () => (await secret()).enabled).toBe(true)
		await click('Expire db now')
		await page.getByText('expired', { exact: true }).waitFor()
		expect((await secret()).expires).toBeLessThanOrEqual(Date.now() / 1000)
		await click('Let db expire in 30 days')
		await expect.poll(async () => (await secret()).expires).toBeGreaterThan(Date.now() / 1000 + 86_400)
		await click(/^Delete db/)
		await expect.poll(() => secret().catch((error: Error) => error.message)).toContain('not found')
		await click('Recover db')
		await expect.poll(async () => (await secret()).value).toBe('second\nvalue')
		await click(/^Delete db/)
		await click('Purge db')
		await dialog().getByRole('button', { name: 'Purge' }).click()
		await page.getByText('No secrets yet.').waitFor()
		expect(problems).toEqual([])
	})

	it('makes vaults and secrets, searches, and closes the network of a vault', async () => {
		await click('New vault…')
		await fills({ Name: 'billing' })
		await dialog().getByRole('button', { name: 'Create' }).click()
		await page.getByText(emulator.vaultUrl('billing')).waitFor()
		await click('New secret…')
		await fills({ Name: 'api-key', Value: 'v', 'Content type': 'text/plain', Tags: 'team=shop, x=y=z' })
		await dialog().getByRole('button', { name: 'Create' }).click()
		await page.getByRole('heading', { name: 'api-key' }).waitFor()
		const made = await emulator.control.getSecret({ vault: 'billing', name: 'api-key' })
		expect(made).toMatchObject({ value: 'v', contentType: 'text/plain', tags: { team: 'shop', x: 'y=z' } })
		await page.getByRole('searchbox').fill('zzz')
		await page.getByText('No secret has that in its name.').waitFor()
		await page.getByLabel('Network').selectOption('firewall')
		await expect
			.poll(async () => (await emulator.control.overview()).vaults.find(({ name }) => name === 'billing')?.network)
			.toBe('firewall')
		expect(problems).toEqual([])
	})

	it('grants and revokes roles and policies in a grid', async () => {
		await tab('Identities and roles')
		const box = page.getByRole('checkbox', { name: 'Key Vault Secrets User for shop' })
		await box.check()
		await expect
			.poll(async () => (await emulator.control.overview()).grants)
			.toEqual([{ clientId: CLIENT, role: 'Key Vault Secrets User', vault: 'payments' }])
		await box.uncheck()
		await expect.poll(async () => (await emulator.control.overview()).grants).toEqual([])
		await click('legacy')
		await page.getByRole('checkbox', { name: 'get for shop', exact: true }).check()
		await page.getByRole('checkbox', { name: 'list for shop', exact: true }).check()
		await expect
			.poll(async () => (await emulator.control.overview()).policies)
			.toEqual([{ clientId: CLIENT, vault: 'legacy', permissions: ['get', 'list'] }])
		await page.getByRole('checkbox', { name: 'keys/get for shop' }).check()
		await expect
			.poll(async () => (await emulator.control.overview()).policies[0]?.permissions)
			.toEqual(['get', 'list', 'keys/get'])
		await click('New federated credential…')
		await fills({ Issuer: 'https://cluster.example', Subject: 'system:serviceaccount:shop:shop' })
		await dialog().getByRole('button', { name: 'Create' }).click()
		await page.getByRole('cell', { name: 'system:serviceaccount:shop:shop' }).waitFor()
		await click('Remove federated credential cluster of shop')
		await expect.poll(async () => (await emulator.control.overview()).clients[0]?.federated).toEqual([])
		await click('New identity…')
		await fills({ Name: 'billing' })
		await dialog().getByRole('button', { name: 'Create' }).click()
		await page.getByRole('checkbox', { name: 'all for billing', exact: true }).waitFor()
		expect(problems).toEqual([])
	})

	it('switches faults on and off, and shows requests with counts as they arrive', async () => {
		await tab('Faults')
		const down = page.getByRole('switch', { name: 'The vault answers 503' })
		await down.click()
		await expect
			.poll(() => emulator.control.listFaults())
			.toMatchObject([{ match: { vault: 'payments' }, action: 'status', status: 503, hits: 0 }])
		await expect.poll(() => down.getAttribute('aria-checked')).toBe('true')
		const asked = await secureGet(emulator, '/secrets/db?api-version=7.4')
		expect(asked).toBe(503)
		await page.getByText('met 1×').waitFor()
		const counts = page.getByRole('region', { name: 'Counts by client and route' })
		await counts.getByRole('row', { name: /getSecret 1 503 ×1/ }).waitFor()
		await page.getByRole('log').getByText('getSecret').waitFor()
		await down.click()
		await expect.poll(() => emulator.control.listFaults()).toEqual([])
		await page.getByRole('combobox', { name: 'What' }).selectOption('hang')
		await page.getByRole('combobox', { name: 'Route' }).selectOption('listSecrets')
		await click('Add')
		await expect
			.poll(() => emulator.control.listFaults())
			.toMatchObject([{ match: { vault: 'payments', route: 'listSecrets' }, action: 'hang' }])
		await click('All faults off')
		await expect.poll(() => emulator.control.listFaults()).toEqual([])
		await click('Clear')
		await page.getByText('None yet.').waitFor()
		expect(problems).toEqual([])
	})

	it('never puts rows of one vault under another that was picked while it looked', async () => {
		// A name of its own: a row says by it of which vault it is, however early the answer of this vault comes.
		await emulator.control.setSecret({ vault: 'legacy', name: 'old', value: 'of legacy' })
		const held: Array<() => void> = []
		await page.route('**/listSecrets', async (route) => {
			const input = route.request().postDataJSON() as { vault: string }
			// The answers for the first vault are fetched, and come when the other has been picked.
			const answer = await route.fetch()
			if (input.vault === 'payments') await new Promise<void>((resolve) => held.push(resolve))
			await route.fulfill({ response: answer })
		})
		await expect.poll(() => held.length).toBeGreaterThan(0)
		await page.getByRole('button', { name: /^legacy/ }).click()
		// Whatever is under the name of the new vault now is not of the old one.
		expect(await page.getByRole('button', { name: /^Delete db/ }).count()).toBe(0)
		for (const go of held) go()
		await page.getByRole('button', { name: /^Delete old/ }).waitFor()
		await click(/^Show value of old/)
		await page.getByText('of legacy').waitFor()
		expect(await page.getByRole('button', { name: /^Delete db/ }).count()).toBe(0)
		await page.unrouteAll({ behavior: 'ignoreErrors' })
	})

	it('makes one version of a form that is sent twice', async () => {
		await click('Rotate db')
		await fills({ Value: 'second' })
		await page.evaluate(() => {
			const form = document.querySelector('dialog form') as HTMLFormElement
			form.requestSubmit()
			form.requestSubmit()
		})
		await dialog().waitFor({ state: 'hidden' })
		await page.getByText('2 versions').waitFor()
		const [listed] = (await emulator.control.listSecrets({ vault: 'payments' })).secrets
		expect(listed?.versions.length).toBe(2)
	})

	it('moves the clock and brings it back', async () => {
		await tab('Clock')
		await click('+1 day')
		await expect.poll(async () => (await emulator.control.overview()).offsetMs).toBe(86_400_000)
		await page.getByText('+24 h').waitFor()
		await click('Back to now')
		await expect.poll(async () => (await emulator.control.overview()).offsetMs).toBe(0)
	})

	it('is used without a mouse: skip link, tabs and grid by arrows, focus that stays, answers that are announced', async () => {
		const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '')
		await page.keyboard.press('Tab')
		expect(await focused()).toBe('Skip to the vault')
		await page.keyboard.press('Enter')
		await page.keyboard.press('Tab')
		expect(await focused()).toBe('Secrets')
		await page.keyboard.press('ArrowRight')
		expect(await focused()).toBe('Identities and roles')
		await page.keyboard.press('Tab')
		const label = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '')
		// The revoke button of the row comes first, as it stands first.
		while (!(await label()).startsWith('Key Vault Secrets User')) await page.keyboard.press('Tab')
		await page.keyboard.press('ArrowRight')
		expect(await label()).toBe('Key Vault Secrets Officer for shop')
		await page.keyboard.press('Space')
		await expect
			.poll(async () => (await emulator.control.overview()).grants)
			.toMatchObject([{ role: 'Key Vault Secrets Officer' }])
		await page.locator('#said').getByText('shop: Key Vault Secrets Officer granted').waitFor()
		// The table was made anew; who was in it is where he was.
		expect(await label()).toBe('Key Vault Secrets Officer for shop')
		await page.getByRole('tab', { name: 'Identities and roles' }).focus()
		await page.keyboard.press('Home')
		await page.getByRole('button', { name: 'Rotate db' }).focus()
		await page.keyboard.press('Enter')
		await dialog().getByLabel('Value').waitFor()
		await page.keyboard.type('typed')
		await page.keyboard.press('Control+Enter')
		await expect.poll(async () => (await secret()).value).toBe('typed')
		await expect.poll(label).toBe('Rotate db')
		await page.keyboard.press('Enter')
		await page.keyboard.press('Escape')
		await dialog().waitFor({ state: 'hidden' })
	})

	it('gives every control a name and every form field a label', async () => {
		await click('1 version of db')
		for (const name of ['Secrets', 'Identities and roles', /^Faults/, 'Clock']) {
			await tab(name)
			const nameless = await page.evaluate(() =>
				[...document.querySelectorAll<HTMLInputElement>('button, input, select, textarea')]
					.filter((each) => each.offsetParent !== null)
					.filter((each) => !each.getAttribute('aria-label') && !each.labels?.length && !each.textContent?.trim())
					.map((each) => each.outerHTML),
			)
			expect(nameless).toEqual([])
		}
	})

	it('shows hostile names, tags, types, clients and values as the text they are', async () => {
		const { control } = emulator
		await control.addClient({ clientId: HOSTILE, name: HOSTILE })
		await control.grant({ clientId: HOSTILE, role: 'Key Vault Reader', vault: 'payments', secret: HOSTILE })
		await control.defineRole({ name: HOSTILE, dataActions: ['*'] })
		await control.addFederatedCredential({
			clientId: HOSTILE,
			name: HOSTILE,
			issuer: HOSTILE,
			subject: HOSTILE,
			audience: HOSTILE,
		})
		await control.trustIssuer({ issuer: HOSTILE, jwks: { keys: [] } })
		await control.addFault({ action: 'status', status: 500, code: HOSTILE, match: { clientId: HOSTILE } })
		const tags = { [HOSTILE]: HOSTILE }
		await control.setSecret({ vault: 'payments', name: 'bad', value: HOSTILE, contentType: HOSTILE, tags })
		await secureGet(emulator, `/secrets/${encodeURIComponent(HOSTILE)}?api-version=7.4`)
		await click(/^Show value of bad/)
		await page.locator('pre', { hasText: HOSTILE }).waitFor()
		for (const name of ['Identities and roles', /^Faults/, 'Clock', 'Secrets']) await tab(name)
		await page.locator('td', { hasText: HOSTILE }).first().waitFor({ state: 'attached' })
		expect(await page.locator('img').count()).toBe(0)
		expect(await page.title()).toBe('Key Vault emulator')
		expect(problems).toEqual([])
	})

	it('does not run what gets into the page by another way', async () => {
		const ran = await page.evaluate(() => {
			const attempts: string[] = []
			const attempt = (name: string, work: () => unknown) => {
				try {
					work()
				} catch {
					attempts.push(name)
				}
			}
			attempt('innerHTML', () => {
				document.body.innerHTML = '<b>x</b>'
			})
			const script = document.createElement('script')
			attempt('script', () => {
				script.text = "document.title = 'owned'"
				document.body.append(script)
			})
			attempt('timer', () => setTimeout("document.title = 'owned'" as unknown as () => void))
			return attempts
		})
		expect(ran).toEqual(['innerHTML', 'script', 'timer'])
		expect(await page.title()).toBe('Key Vault emulator')
	})

	describe('a page from elsewhere', () => {
		let foreign: Server
		let origin: string
		beforeAll(async () => {
			foreign = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<p>hello'))
			await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve))
			origin = `http://127.0.0.1:${(foreign.address() as AddressInfo).port}`
		})
		afterAll(async () => {
			const closed = new Promise((resolve) => foreign.close(resolve))
			// The browser keeps its connections for a minute.
			foreign.closeAllConnections()
			await closed
		})

		/** What a script of the present page gets from the control API, by every way that a browser has. */
		const attack = (base: string) =>
			page.evaluate(async (target) => {
				const body = '{"vault":"payments","name":"db","value":"owned"}'
				const post = (init: RequestInit) =>
					fetch(`${target}/emulator/v1/setSecret`, { method: 'POST', body, ...init })
						.then((answer) =>
							answer.type === 'opaque' ? 'opaque' : answer.text().then((text) => `${answer.status} ${text}`),
						)
						.catch(() => 'refused')
				return Promise.all([
					post({ headers: { 'content-type': 'application/json' } }),
					post({ headers: { 'content-type': 'text/plain' } }),
					post({ mode: 'no-cors', headers: { 'content-type': 'text/plain' } }),
					fetch(`${target}/emulator/v1/requests`)
						.then((answer) => answer.text())
						.catch(() => 'refused'),
				])
			}, base)

		it('changes and reads nothing, and cannot frame the page', async () => {
			await page.goto(origin)
			const [json, text, opaque, read] = await attack(emulator.controlUrl)
			expect([json, text, read]).toEqual(['refused', 'refused', 'refused'])
			expect(opaque).toBe('opaque')
			expect((await secret()).value).toBe('first-value')
			// A form can send any body, as text.
			await page.evaluate((target) => {
				const form = document.createElement('form')
				Object.assign(form, { method: 'POST', action: `${target}/emulator/v1/setSecret`, enctype: 'text/plain' })
				const input = document.createElement('input')
				Object.assign(input, { name: '{"vault":"payments","name":"db","value":"owned","contentType":"', value: '"}' })
				form.append(input)
				document.body.append(form)
				form.submit()
			}, emulator.controlUrl)
			await page.waitForURL(/setSecret/)
			expect(await page.content()).toContain('Forbidden')
			expect((await secret()).value).toBe('first-value')
			await page.goto(origin)
			const framed = await page.evaluate(
				(target) =>
					new Promise<boolean>((resolve) => {
						const frame = document.createElement('iframe')
						frame.src = target
						frame.onload = () => resolve(frame.contentDocument !== null)
						document.body.append(frame)
					}),
				emulator.controlUrl,
			)
			// What is loaded in the frame is the browser's own error page.
			expect(framed).toBe(false)
			expect(page.frames().some((frame) => frame.url() === `${emulator.controlUrl}/`)).toBe(false)
		})

		it('that rebinds its name to loopback gets neither the page nor the API', async () => {
			const port = new URL(emulator.controlUrl).port
			const answer = await page.goto(`http://${REBOUND}:${port}/`)
			expect(answer?.status()).toBe(403)
			const [json, text, , read] = await attack(`http://${REBOUND}:${port}`)
			for (const each of [json, text, read]) expect(each).toContain('loopback')
			expect((await secret()).value).toBe('first-value')
		})

		it('that rebinds its name to an emulator on every address, as in a pod behind a port-forward, neither', async () => {
			const open = await startEmulator({ vaults: ['payments'], control: { host: '0.0.0.0' } })
			try {
				const port = new URL(open.controlUrl).port
				expect((await page.goto(`http://${REBOUND}:${port}/`))?.status()).toBe(403)
				const [json, , , read] = await attack(`http://${REBOUND}:${port}`)
				for (const each of [json, read]) expect(each).toContain('Forbidden')
				expect((await page.goto(open.controlUrl))?.status()).toBe(200)
				await page.getByText('connected', { exact: true }).waitFor()
			} finally {
				await open.close()
			}
		})
	})
})

/** A vault request without a token: 401 unless a fault answers first. */
async function secureGet(emulator: Emulator, path: string): Promise<number> {
	const { request } = await import('node:https')
	const agent = emulator.agent()
	return new Promise((resolve, reject) => {
		request(`${emulator.vaultUrl('payments')}${path}`, { agent }, (answer) => {
			answer.resume()
			answer.on('end', () => resolve(answer.statusCode ?? 0))
		})
			.on('error', reject)
			.end()
	})
}

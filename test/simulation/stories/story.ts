// How stories are written down.
import type { Action } from '../actions.ts'
import type { History } from '../history.ts'
import { FIRST, type Shape } from '../spec.ts'

export interface Story {
	name: string
	history: History
	/** it is told again with a crash at each question */
	crashes?: true
}

export const KEEP = FIRST.policy
export const settle: Action = { do: 'settle' }
export const request: Action = { do: 'request' }
export const red = { vault: 'red' } as const

export const step = (action: Action, pause = 0, requests = 0) => ({ pause, requests, action })
export const story = (name: string, begin: Partial<Shape>, ...steps: History['steps']): Story => ({
	name,
	history: { seed: 0, begin, steps },
})
export const crashing = (name: string, begin: Partial<Shape>, ...steps: History['steps']): Story => ({
	...story(name, begin, ...steps),
	crashes: true,
})

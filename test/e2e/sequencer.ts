import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files in the order of their names, and the canary scan last: it looks at everything the others made the system print. */
export class CanaryLast extends BaseSequencer {
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const key = (file: TestSpecification) => `${file.moduleId.endsWith('canary.test.ts') ? 1 : 0}${file.moduleId}`
		return files.toSorted((a, b) => key(a).localeCompare(key(b)))
	}
}

// Operators that are broken on purpose: what is replaced, in which file of operator/src. A text that is not there any more
// ends the run: then whoever changed it says how to break it now.

export interface Mutant {
	/** what is wrong with it */
	broken: string
	file: string
	find: string
	replace: string
	/** it is about nodes: histories of Volume delivery find it */
	volume?: true
}

export const MUTANTS: readonly Mutant[] = [
	{
		broken: '`Remove` is not followed',
		file: 'engine/entry.ts',
		find: "	how === 'Remove'\n		? {",
		replace: '	false\n		? {',
	},
	{
		broken: 'the revision of the manifest is not counted',
		file: 'engine/change.ts',
		find: 'revision: last + 1 }',
		replace: 'revision: last }',
	},
	{
		broken: 'absent at the first 404',
		file: 'engine/entry.ts',
		find: 'again - since >= ABSENT_AFTER_MS',
		replace: 'again - since >= -ABSENT_AFTER_MS',
	},
	{
		broken: 'a gap in a list is taken for absence of the tag',
		file: 'engine/poll.ts',
		find: 'if (!item) return []',
		replace: "if (!item) return [[name, leaving('deselected')]]",
	},
	{
		broken: '`maxRemovals` is ignored',
		file: 'engine/brake.ts',
		find: 'if (count <= max) return',
		replace: 'if (count >= 0) return',
	},
	{
		broken: '`suspend` is ignored',
		file: 'api/parse.ts',
		find: "if (spec.suspend) return { kind: 'suspended'",
		replace: "if (spec.suspend && metadata.name === '') return { kind: 'suspended'",
	},
	{
		broken: 'what time alone changes is not acted on',
		file: 'engine/known.ts',
		find: 'return flawOf(facts, now) !== known.flaw',
		replace: 'return now < 0',
	},
	{
		broken: 'older versions that are disabled are kept',
		file: 'engine/versions.ts',
		find: 'each.enabled && isOlder(each)',
		replace: 'isOlder(each)',
	},
	{
		broken: 'older versions are told by a list that is older than the current one',
		file: 'engine/values.ts',
		find: '!isYoung(first.answer.listing)',
		replace: "objectName === ''",
	},
	{
		broken: 'what was told before its time came is held against a version of now',
		file: 'engine/flaw.ts',
		find: 'return flawOf(facts, at.now - age) !==',
		replace: 'return flawOf(facts, at.now + 0 * age) !==',
	},
	{
		broken: 'what is read may be older than the list that asked for it',
		file: 'engine/values.ts',
		find: '!(listed && isBehind(answer, listed))',
		replace: '!(listed && items === undefined)',
	},
	{
		broken: 'a time that has come is polled for again and again',
		file: 'engine/due.ts',
		find: 'time > begun.now',
		replace: 'time > 0',
	},
	{
		broken: 'newer versions than the current one are taken for older ones',
		file: 'engine/versions.ts',
		find: 'createdOf(each) <= createdOf(self) :',
		replace: 'true :',
	},
	{
		broken: 'a 403 is taken for absence',
		file: 'engine/values.ts',
		find: '	const { absentSince, seenAgain, asked, holding, vaultUrl, items } = polling\n',
		replace:
			"	const { absentSince, seenAgain, asked, holding, vaultUrl, items } = polling\n	if (fault.kind === 'forbiddenRbac') return faulty(group, { kind: 'absent' }, answeredAt, polling)\n",
	},
	{
		broken: '`Previous` is not followed',
		file: 'engine/values.ts',
		find: "if (policyFor(flaw, binding.policy, pin !== undefined) !== 'Previous')",
		replace: 'if (at.now > 0)',
	},
	{
		broken: 'versions of one second are not read again',
		file: 'engine/probe.ts',
		find: 'serverTime / 1000 - updated >= SETTLED_AFTER_S',
		replace: 'serverTime / 1000 - updated >= -SETTLED_AFTER_S',
	},
	{
		broken: 'edits by others are not mended',
		file: 'engine/manifest-entry.ts',
		find: 'return file.foreign !== undefined &&',
		replace: 'return name === undefined &&',
	},
	{
		broken: 'older versions are moved to the wrong place',
		file: 'engine/older.ts',
		find: 'if (places.includes(previousFileName(wanted.name, index + 1)))',
		replace: 'if (places.length > 0)',
	},
	{
		broken: 'values are remembered before their write has succeeded',
		file: 'engine/pass.ts',
		find: "	if (written.kind === 'ended')",
		replace:
			"	if (written.kind === 'ended')\n		return ended(afterWrite(seen, { poll: all, older, accepted, written: undefined, unwritten: [] }, input.at), written.broke, firstSeen)\n	if (written.kind === 'ended')",
	},
	{
		broken: 'half of a JSON value is mended from a newer version',
		file: 'engine/poll.ts',
		find: 'return wanted.filter((each) => objects.has(objectKey(each)))',
		replace: 'return wanted.filter((each) => names.has(each.name) && objects.size > 0)',
	},
	// Faults of issue 11 part 2, put back.
	{
		broken: 'what is known of one vault is taken for known of another',
		file: 'engine/source.ts',
		find: '	a.vaultUrl === b.vaultUrl &&\n',
		replace: '',
	},
	{
		broken: 'and bytes of one vault for bytes of the other',
		file: 'engine/manifest-entry.ts',
		find: 'return own === vaultUrl ? rest : { ...rest, vault: own }',
		replace: 'return own === undefined ? { ...rest, vault: own } : rest',
	},
	{
		broken: 'what was not written is known',
		file: 'engine/learn.ts',
		find: 'new Set(unwritten.map(({ wanted }) => wanted.name))',
		replace: 'new Set(unwritten.slice(unwritten.length).map(({ wanted }) => wanted.name))',
	},
	{
		broken: 'what waits for a required key is called delivered',
		file: 'engine/write.ts',
		find: '(isChange(result) ? asBefore(result, reason, asked) : result)',
		replace: '(isChange(result) && reason === undefined ? asBefore(result, reason, asked) : result)',
	},
	// And more.
	{
		broken: 'a patch does not say what it was decided on',
		file: 'destinations/secret/rules.ts',
		find: 'metadata: { ...metadata, resourceVersion: present.resourceVersion }',
		replace: 'metadata: { ...metadata }',
	},
	{
		broken: 'a pin reads the current version',
		file: 'engine/values.ts',
		find: "const question = { ask: 'read', objectName, version, ...asked } as const",
		replace:
			"const question = { ask: 'read', objectName, version: version === '' ? version : undefined, ...asked } as const",
	},
	{
		broken: 'a hold is not followed',
		file: 'engine/pin.ts',
		find: 'if (now >= annotated.until) return nothing',
		replace: 'if (now >= 0) return nothing',
	},
	{
		broken: 'a hold does not end',
		file: 'engine/pin.ts',
		find: 'if (now >= annotated.until) return nothing\n',
		replace: '',
	},
	{
		broken: 'a tag that is gone at the read is not noticed',
		file: 'engine/values.ts',
		find: 'if (bySelector && nameBySelectors',
		replace: 'if (bySelector && name === undefined && nameBySelectors',
	},
	{
		broken: 'a list that broke off is taken for an empty one',
		file: 'engine/poll.ts',
		find: 'if (!denied) return { ...NOT_LISTED, broke: answer }',
		replace: 'if (!denied) return { ...NOT_LISTED, items: new Map() }',
	},
	{
		broken: 'a restart believes the manifest whatever the status says',
		file: 'engine/known.ts',
		find: 'if (status?.version !== inManifest.version ||',
		replace: 'if (status === undefined ||',
	},
	{
		broken: 'what is absent stays so',
		file: 'engine/known.ts',
		find: ': probeOf(facts) !== known.probe) return true',
		replace: ": known.probe !== 'absent' && probeOf(facts) !== known.probe) return true",
	},
	{
		broken: 'files of entries that were taken out stay',
		file: 'engine/change.ts',
		find: 'mine.has(name) && !stays.has(name),',
		replace: 'mine.has(name) && !stays.has(name) && results.some(({ wanted }) => wanted.name === name),',
	},
	{
		broken: 'a manifest that somebody edited is believed',
		file: 'destinations/secret/secret-object.ts',
		find: 'manifest: keys.get(MANIFEST_FILE)?.foreign === undefined ? manifest : undefined,',
		replace: 'manifest,',
	},
	{
		broken: 'the former Secret goes before the new one holds everything',
		file: 'engine/write.ts',
		find: 'if (!binding.secrets.every((each) => each.optional || isThere(each.name)))',
		replace: 'if (!binding.secrets.some((each) => each.optional || isThere(each.name)))',
	},
	{
		broken: 'a lost answer of a write is taken for a yes',
		file: 'engine/write.ts',
		find: "		case 'away': {\n",
		replace:
			"		case 'away': {\n			if (change.on) return { kind: 'done', planned, holding: { ...change.on, content: undefined, manifest: change.manifest }, unwritten, at }\n",
	},
	{
		broken: 'a version that stands in is never looked at again',
		file: 'engine/poll.ts',
		find: 'mayStandIn && isPinTime) return true',
		replace: 'mayStandIn && isPinTime && polls < 0) return true',
	},
	{
		broken: 'files of an older spec are kept when their object changed',
		file: 'engine/known.ts',
		find: 'known.objectName !== wanted.objectName ||',
		replace: '',
	},
	// What simulated histories have found since, put back.
	{
		broken: 'a manifest that a lost write put in doubt has its revision',
		file: 'engine/write.ts',
		find: 'manifest: { ...holding.manifest, revision: 0, secrets',
		replace: 'manifest: { ...holding.manifest, secrets',
	},
	{
		broken: 'what stands in goes when versions cannot be listed',
		file: 'engine/values.ts',
		find: 'if (fault && current &&',
		replace: 'if (fault && at.now < 0 && current &&',
	},
	{
		broken: 'what is disabled goes though nobody sees whether it is selected any more',
		file: 'engine/values.ts',
		find: 'if (bySelector && !isShownDisabled(',
		replace: 'if (bySelector && name === undefined && !isShownDisabled(',
	},
	{
		broken: 'what came after the tag was gone stands in',
		file: 'engine/values.ts',
		find: "if (isOvertaken(versions, current?.facts)) return 'unclear'",
		replace: 'if (isOvertaken(versions, current?.facts)) return true',
	},
	{
		broken: 'an older version stands in for what lost its tag after it was shown as disabled',
		file: 'engine/values.ts',
		find: 'return !selected.includes(false)',
		replace: 'return true',
		volume: true,
	},
	{
		broken: 'an empty list of versions is taken for a secret without older ones',
		file: 'engine/values.ts',
		find: 'if (listing.complete && listing.versions.length === 0) return',
		replace: 'if (listing.complete && listing.versions.length < 0) return',
	},
	{
		broken: 'what a read back after the poll shows does not make anything unknown',
		file: 'engine/pass.ts',
		find: '...names.filter(isOther)])',
		replace: '...names.filter((name) => isOther(name) && name === undefined)])',
		volume: true,
	},
	{
		broken: 'what is told as pending counts as a removal',
		file: 'engine/by-status.ts',
		find: "entry.state !== 'Pending' && ",
		replace: '',
		volume: true,
	},
	{
		broken: 'nodes heed no brake of the controller',
		file: 'engine/brake.ts',
		find: 'isRemovalInStatus(entry) ? result : asKept(result)',
		replace: 'isRemovalInStatus(entry) || result.remove ? result : asKept(result)',
		volume: true,
	},
	{
		broken: 'nodes take entries of an older spec for selected ones',
		file: 'engine/poll-by-status.ts',
		find: 'selected === true && !named.has(name)',
		replace: 'selected !== null && !named.has(name)',
		volume: true,
	},
	{
		broken: 'nodes let go what a status names no more without asking the vault',
		file: 'engine/poll-by-status.ts',
		find: '		isOver && nameBySelectors(',
		replace: '		isOver && name === undefined && nameBySelectors(',
		volume: true,
	},
	{
		broken: 'a hold is forgotten when the status is read back',
		file: 'destinations/status/status-destination.ts',
		find: "annotatedPins.kind === 'until' &&",
		replace: "annotatedPins.kind === 'until' && version === '' &&",
		volume: true,
	},
	{
		broken: 'what is held of the vault of before is not read back from the status',
		file: 'destinations/status/status-destination.ts',
		find: "(state !== 'Pending' || vault !== undefined) &&",
		replace: "state !== 'Pending' && (vault === undefined || vault !== '') &&",
		volume: true,
	},
	{
		broken: 'of the versions in a list the oldest one is the current one',
		file: 'engine/by-lists.ts',
		find: '(b.created ?? 0) - (a.created ?? 0)',
		replace: '(a.created ?? 0) - (b.created ?? 0)',
		volume: true,
	},
	{
		broken: 'nodes go by the status of another vault',
		file: 'engine/by-status.ts',
		find: ' && status.vault === vaultUrl',
		replace: '',
		volume: true,
	},
	{
		broken: 'a hold brings back to nodes what the spec does not select any more',
		file: 'engine/poll.ts',
		find: 'const isOut = ({ name }: WantedSecret) => isUnselected(',
		replace: "const isOut = ({ name }: WantedSecret) => name === '' && isUnselected(",
		volume: true,
	},
	{
		broken: 'nodes keep older versions that were disabled before the controller listed them',
		file: 'engine/older.ts',
		find: '(isTime && (now ??',
		replace: '(isTime && now !== now && (now ??',
		volume: true,
	},
	{
		broken: 'nodes never compare what they hold with what they are told',
		file: 'engine/poll-by-status.ts',
		find: '!(isTime && inManifest)',
		replace: '!(isTime && inManifest && statusText === null)',
		volume: true,
	},
	{
		broken: 'the state of a status that was lost is believed',
		file: 'engine/learn.ts',
		find: '			a?.state === b?.state &&\n',
		replace: '',
		volume: true,
	},
]

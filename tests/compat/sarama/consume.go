package main

func consumeFromBeginning(r *Run) {
	topic := r.topic("beginning", 3)
	sent := records(topic, 3, 0, 300)
	r.produce(sent)
	expectSame(r.readAll(topic, 3, len(sent)), sent)
}

func consumeFromTimestamp(r *Run) {
	topic := r.topic("timestamp", 1)
	sent := records(topic, 1, 0, 100)
	r.produce(sent[:50])
	r.produce(sent[50:])

	from := must(r.client().GetOffset(topic, 0, start+40))
	expect(from == 40, "offset %d instead of 40", from)
	for i, record := range r.read(topic, 0, from, 60) {
		expectContent(record, sent[40+i])
	}
}

// A partition's consumer does not move: one begins anew elsewhere.
func seek(r *Run) {
	topic := r.topic("seek", 1)
	sent := records(topic, 1, 0, 100)
	r.produce(sent)
	for _, offset := range []int64{0, 10, 99, 0} {
		got := r.read(topic, 0, offset, 1)
		expect(got[0].Offset == offset, "offset %d instead of %d", got[0].Offset, offset)
		expectContent(got[0], sent[offset])
	}
}

package main

import "github.com/twmb/franz-go/pkg/kgo"

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

	got := r.read(topic, 1, kgo.NewOffset().AfterMilli(start+40), 60)
	expect(got[0].Offset == 40, "began at offset %d", got[0].Offset)
	for i, record := range got {
		expectContent(record, sent[40+i])
	}
}

func seek(r *Run) {
	topic := r.topic("seek", 1)
	sent := records(topic, 1, 0, 100)
	r.produce(sent)
	from := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}}
	consumer := r.client(kgo.ConsumePartitions(from))

	expectSame(r.poll(consumer, 100), sent)
	for _, offset := range []int64{10, 99, 0} {
		to := kgo.EpochOffset{Epoch: -1, Offset: offset}
		consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: to}})
		got := r.poll(consumer, 1)
		expect(got[0].Offset == offset, "offset %d instead of %d", got[0].Offset, offset)
		expectContent(got[0], sent[offset])
	}
}

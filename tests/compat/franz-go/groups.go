package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const sessionTimeout = 6 * time.Second

// A member of a group that consumes in the background and remembers what happened to it.
type member struct {
	client *kgo.Client
	mutex  sync.Mutex
	owned  []int32
	// Rebalances that gave or took partitions.
	given, taken int
	got          map[string]int32 // key of the record: its partition
}

func (r *Run) join(group, topic string, opts ...kgo.Opt) *member {
	m := &member{got: make(map[string]int32)}
	m.client = r.client(append([]kgo.Opt{
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			m.mutex.Lock()
			defer m.mutex.Unlock()
			if len(parts[topic]) > 0 {
				m.given++
			}
			m.owned = append(m.owned, parts[topic]...)
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			m.lose(parts[topic])
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			m.lose(parts[topic])
		}),
	}, opts...)...)
	go func() {
		for {
			fetches := m.client.PollFetches(r.ctx)
			if fetches.IsClientClosed() || r.ctx.Err() != nil {
				return
			}
			m.mutex.Lock()
			for _, record := range fetches.Records() {
				m.got[string(record.Key)] = record.Partition
			}
			m.mutex.Unlock()
		}
	}()
	return m
}

func (m *member) lose(parts []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if len(parts) > 0 {
		m.taken++
	}
	m.owned = slices.DeleteFunc(m.owned, func(p int32) bool { return slices.Contains(parts, p) })
}

func (m *member) partitions() []int32 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Sorted(slices.Values(m.owned))
}

func (m *member) rebalances() (given, taken int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.given, m.taken
}

func (m *member) has(record *kgo.Record) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	partition, here := m.got[string(record.Key)]
	expect(!here || partition == record.Partition, "%s is in partition %d", record.Key, partition)
	return here
}

// waitShared waits until the members own so many partitions each, and all of them together.
func (r *Run) waitShared(total int, counts []int, members ...*member) {
	r.waitUntil(fmt.Sprintf("%v partitions", counts), func() bool {
		var owned []int32
		var sizes []int
		for _, m := range members {
			parts := m.partitions()
			owned = append(owned, parts...)
			sizes = append(sizes, len(parts))
		}
		slices.Sort(owned)
		slices.Sort(sizes)
		return slices.Equal(sizes, counts) && len(slices.Compact(owned)) == total
	})
}

// waitReceived waits until every record came to one of the members.
func (r *Run) waitReceived(sent []*kgo.Record, members ...*member) {
	for _, record := range sent {
		r.waitUntil(fmt.Sprintf("%s at a member", record.Key), func() bool {
			return slices.ContainsFunc(members, func(m *member) bool { return m.has(record) })
		})
	}
}

func groupOneMember(r *Run) {
	topic := r.topic("one-member", 3)
	sent := records(topic, 3, 0, 300)
	r.produce(sent)
	m := r.join(r.prefix+"-one-member", topic)
	r.waitShared(3, []int{3}, m)
	r.waitReceived(sent, m)
}

func groupJoinLeave(r *Run) {
	topic, group := r.topic("join-leave", 4), r.prefix+"-join-leave"
	first := r.join(group, topic)
	r.waitShared(4, []int{4}, first)
	second := r.join(group, topic)
	r.waitShared(4, []int{2, 2}, first, second)
	sent := records(topic, 4, 0, 80)
	r.produce(sent[:40])
	r.waitReceived(sent[:40], first, second)

	left := time.Now()
	second.client.Close()
	r.waitShared(4, []int{4}, first)
	// Far less than the session timeout, which is 45 s unless one says otherwise.
	expect(time.Since(left) < 20*time.Second, "took over after %v", time.Since(left))
	r.produce(sent[40:])
	r.waitReceived(sent[40:], first)
}

// The member that dies is a process of its own: this program once more.
const memberProcess = "member-process"

func (r *Run) topicAndGroupOfDeath() (topic, group string) {
	return r.prefix + "-member-death", r.prefix + "-member-death"
}

func runMemberProcess(r *Run) {
	topic, group := r.topicAndGroupOfDeath()
	m := r.join(group, topic, kgo.SessionTimeout(sessionTimeout))
	r.waitUntil("partitions", func() bool { return len(m.partitions()) == 2 })
	fmt.Println("I have partitions")
	<-r.ctx.Done()
}

func groupMemberDeath(r *Run) {
	r.topic("member-death", 4)
	topic, group := r.topicAndGroupOfDeath()
	survivor := r.join(group, topic, kgo.SessionTimeout(sessionTimeout))
	r.waitShared(4, []int{4}, survivor)

	victim := exec.CommandContext(r.ctx, os.Args[0], r.bootstrap, r.prefix, memberProcess)
	victim.Stderr = os.Stderr
	output := must(victim.StdoutPipe())
	check(victim.Start())
	must(bufio.NewReader(output).ReadString('\n'))
	r.waitShared(2, []int{2}, survivor)

	check(victim.Process.Kill())
	died := time.Now()
	_ = victim.Wait()
	r.waitShared(4, []int{4}, survivor)
	// Its last heartbeat was up to 1 s before its death.
	after := time.Since(died)
	expect(after > sessionTimeout-2*time.Second, "declared dead after %v already", after)
	sent := records(topic, 4, 0, 40)
	r.produce(sent)
	r.waitReceived(sent, survivor)
}

func groupCooperative(r *Run) {
	topic, group := r.topic("cooperative", 4), r.prefix+"-cooperative"
	cooperative := kgo.Balancers(kgo.CooperativeStickyBalancer())
	first := r.join(group, topic, cooperative)
	r.waitShared(4, []int{4}, first)
	before := first.partitions()
	second := r.join(group, topic, cooperative)
	r.waitShared(4, []int{2, 2}, first, second)

	// What it kept, it never gave away in between.
	given, taken := first.rebalances()
	expect(given == 1 && taken == 1, "given %d times, taken %d times", given, taken)
	for _, p := range first.partitions() {
		expect(slices.Contains(before, p), "partition %d came anew", p)
	}
	sent := records(topic, 4, 0, 40)
	r.produce(sent)
	r.waitReceived(sent, first, second)
}

func groupStaticMember(r *Run) {
	topic, group := r.topic("static", 4), r.prefix+"-static"
	first := r.join(group, topic, kgo.InstanceID("first"))
	second := r.join(group, topic, kgo.InstanceID("second"))
	r.waitShared(4, []int{2, 2}, first, second)
	given, taken := first.rebalances()
	before := second.partitions()

	second.client.Close()
	second = r.join(group, topic, kgo.InstanceID("second"))
	r.waitUntil("its partitions again", func() bool {
		return slices.Equal(second.partitions(), before)
	})
	sent := records(topic, 4, 0, 40)
	r.produce(sent)
	r.waitReceived(sent, first, second)
	givenNow, takenNow := first.rebalances()
	expect(givenNow == given && takenNow == taken, "its restart moved partitions of the other one")
}

func groupSpareMember(r *Run) {
	topic, group := r.topic("spare", 2), r.prefix+"-spare"
	members := []*member{r.join(group, topic), r.join(group, topic), r.join(group, topic)}
	r.waitShared(2, []int{0, 1, 1}, members...)

	busy := slices.IndexFunc(members, func(m *member) bool { return len(m.partitions()) == 1 })
	members[busy].client.Close()
	members = slices.Delete(members, busy, busy+1)
	r.waitShared(2, []int{1, 1}, members...)
	sent := records(topic, 2, 0, 20)
	r.produce(sent)
	r.waitReceived(sent, members...)
}

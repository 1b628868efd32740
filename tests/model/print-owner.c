/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints what migrate/owner.c decides, over everything that it can be asked, a line each: side, word, boot, own QEMU, heard,
 * then the word that follows, the actions, the rule and the number of its row; and what phase/look.c says of what is found at a stock
 * destination: "look", state, reason, whether it was to be persisted, how long after Finish, verdict; and what is decided where only a definition moves: "offline",
 * side, word, heard, then as above without a row; and what is answered to RECLAIM: "reclaim", who has it, whether it runs, which generation is
 * claimed, verdict.  For test_owner_tables.py. */
#include <stdio.h>

#include "migrate/owner.h"
#include "phase/look.h"

static const EnumName action_names[] = {
    {"sync", OWNER_WRITE_SYNC}, {"cancel", OWNER_CANCEL},     {"cont", OWNER_CONT}, {"destroy", OWNER_DESTROY},
    {"define", OWNER_DEFINE},   {"undefine", OWNER_UNDEFINE}, {"wait", OWNER_WAIT}, {"run", OWNER_RUN},
    {"take-back", OWNER_TAKE_BACK},
    {NULL},
};

static void print_actions(unsigned actions)
{
    for (const EnumName *row = action_names; row->name; row++)
        if (actions & (unsigned)row->value)
            printf("%s ", row->name);
}

static void print_verdict(OwnerSide side, int word, gboolean is_this_boot, int qemu, int heard)
{
    OwnerVerdict verdict = owner_decide(side, (OwnerWord)word, is_this_boot, (OwnerQemu)qemu, (OwnerHeard)heard);

    printf("%s\t%s\t%s\t%s\t%s\t%s\t", side == SIDE_SOURCE ? "source" : "destination", enum_name(owner_word_names, word),
           is_this_boot ? "now" : "older", enum_name(owner_qemu_names, qemu), enum_name(owner_heard_names, heard),
           enum_name(owner_word_names, verdict.word));
    print_actions(verdict.actions);
    printf("\t%s\t%d\n", verdict.rule, verdict.row);
}

static void print_offline(void)
{
    for (int side = SIDE_SOURCE; side <= SIDE_DESTINATION; side++)
        for (const EnumName *word = owner_word_names; word->name; word++)
            for (const EnumName *heard = owner_heard_names; heard->name; heard++) {
                OwnerVerdict verdict = owner_decide_offline((OwnerSide)side, (OwnerWord)word->value, (OwnerHeard)heard->value);

                printf("offline\t%s\t%s\t%s\t%s\t", side == SIDE_SOURCE ? "source" : "destination", word->name, heard->name,
                       enum_name(owner_word_names, verdict.word));
                print_actions(verdict.actions);
                printf("\t%s\n", verdict.rule);
            }
}

static void print_reclaim(void)
{
    for (const EnumName *hold = owner_hold_names; hold->name; hold++)
        for (int runs = 0; runs <= 1; runs++)
            for (const EnumName *claim = owner_claim_names; claim->name; claim++)
                printf("reclaim\t%s\t%s\t%s\t%s\n", hold->name, runs ? "runs" : "shut off", claim->name,
                       enum_name(owner_reclaim_names, owner_decide_reclaim((OwnerHold)hold->value, runs, (OwnerClaim)claim->value)));
}

static void print_looks(void)
{
    static const char *const verdicts[] = {
        [LOOK_AGAIN] = "again", [LOOK_RAN] = "ran", [LOOK_NEVER_RAN] = "never ran", [LOOK_PERSON] = "person"};

    for (int state = LOOK_ABSENT; state <= 7; state++)
        for (int reason = 0; reason <= 12; reason++)
            for (int persist = 0; persist <= 1; persist++)
                for (int is_later = 0; is_later <= 1; is_later++)
                    printf("look\t%d\t%d\t%s\t%s\t%s\n", state, reason, persist ? "persist" : "no", is_later ? "later" : "fresh",
                           verdicts[look_judge(state, reason, persist, is_later ? LOOK_FRESH_MS : 0)]);
}

int main(void)
{
    print_looks();
    print_offline();
    print_reclaim();
    for (int side = SIDE_SOURCE; side <= SIDE_DESTINATION; side++) {
        printf("rows\t%s\t%u\n", side == SIDE_SOURCE ? "source" : "destination", owner_row_count((OwnerSide)side));
        for (const EnumName *word = owner_word_names; word->name; word++)
            for (int boot = 0; boot <= 1; boot++)
                for (const EnumName *qemu = owner_qemu_names; qemu->name; qemu++)
                    for (const EnumName *heard = owner_heard_names; heard->name; heard++)
                        print_verdict((OwnerSide)side, word->value, boot, qemu->value, heard->value);
    }
    return 0;
}

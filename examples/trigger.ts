/** Every new order schedules its packing, whoever inserts it: this program, another one, a person in psql. */
export const packEveryOrder = `
  create function pack_order() returns trigger language plpgsql as $$
  begin
    perform belfry.schedule_job('pack', jsonb_build_object('item', new.item));
    return new;
  end $$;

  create trigger pack_every_order after insert on orders for each row execute function pack_order();
`

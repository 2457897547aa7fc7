import { useRef, useState, type FormEvent } from "react";

import type { Registration } from "../operations";

const LONGEST_NAME = 100;

export function Register({ onRegister }: { onRegister: (registration: Registration) => Promise<boolean> }) {
  const [busy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);

  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget;
    const values = new FormData(form);
    const text = (name: string): string => String(values.get(name) ?? "").trim();
    setBusy(true);
    const registered = await onRegister({
      firstName: text("firstName"),
      lastName: text("lastName"),
      organization: text("organization"),
      hearingAidRequested: values.get("hearingAidRequested") === "on",
    });
    setBusy(false);
    if (!registered) return;
    form.reset();
    first.current?.focus();
  };

  return (
    <section className="card register" aria-labelledby="register-title">
      <h2 id="register-title">Register a person</h2>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          First name
          <input ref={first} name="firstName" required pattern=".*\S.*" maxLength={LONGEST_NAME} autoComplete="off" />
        </label>
        <label>
          Last name
          <input name="lastName" required pattern=".*\S.*" maxLength={LONGEST_NAME} autoComplete="off" />
        </label>
        <label>
          Organization
          <input name="organization" required pattern=".*\S.*" maxLength={LONGEST_NAME} autoComplete="off" />
        </label>
        <label className="check">
          <input type="checkbox" name="hearingAidRequested" />
          Requests a hearing aid
        </label>
        <button type="submit" className="button" disabled={busy}>
          {busy ? "Registering…" : "Register"}
        </button>
      </form>
    </section>
  );
}
